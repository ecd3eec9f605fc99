"""Two texts for two groups in one call, as the vendor's page shows it for Python.

HOST: where the server is.
"""
import base64
import json
import os
import urllib.request


def text(place, group):
    content = json.dumps({"type": "text", "content": f"Hello Group {place}"})
    return {
        "header": {"no_persist": 0, "red_dot": 1, "sync_once": 0},
        "client_msg_no": f"batch_msg_{place}",
        "from_uid": "system",
        "channel_id": group,
        "channel_type": 2,
        "expire": 0,
        "payload": base64.b64encode(content.encode()).decode(),
        "tag_key": "notification",
    }


request = urllib.request.Request(
    os.environ["HOST"] + "/message/sendbatch",
    data=json.dumps([text(1, "group123"), text(2, "group456")]).encode(),
    headers={"Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as response:
    print(json.dumps(json.load(response)))
