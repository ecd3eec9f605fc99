// Two texts for two groups in one call, as the vendor's page shows it for Go.
// HOST: where the server is.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func text(place int, group string) map[string]interface{} {
	content, _ := json.Marshal(map[string]interface{}{
		"type":    "text",
		"content": fmt.Sprintf("Hello Group %d", place),
	})
	return map[string]interface{}{
		"header":        map[string]interface{}{"no_persist": 0, "red_dot": 1, "sync_once": 0},
		"client_msg_no": fmt.Sprintf("batch_msg_%d", place),
		"from_uid":      "system",
		"channel_id":    group,
		"channel_type":  2,
		"expire":        0,
		"payload":       base64.StdEncoding.EncodeToString(content),
		"tag_key":       "notification",
	}
}

func main() {
	body, _ := json.Marshal([]map[string]interface{}{text(1, "group123"), text(2, "group456")})
	response, err := http.Post(os.Getenv("HOST")+"/message/sendbatch", "application/json", bytes.NewBuffer(body))
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	// Ids have more digits than a float: they stay the text that they are.
	var result []map[string]json.RawMessage
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		panic(err)
	}
	printed, _ := json.Marshal(result)
	fmt.Println(string(printed))
}
