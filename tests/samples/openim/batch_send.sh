#!/bin/sh
# The same text for two users that are named, by the field that the vendor's page has for that.
# HOST: where the server is. TOKEN: an administrator's.
curl -sS -X POST "$HOST/msg/batch_send_msg" \
  -H "Content-Type: application/json" -H "operationID: 1646445464565" -H "token: $TOKEN" -d '{
  "sendID": "openIMAdmin",
  "recvIDs": ["user-a", "user-b"],
  "senderNickname": "Gordon",
  "senderFaceURL": "http://www.head.com",
  "senderPlatformID": 1,
  "content": {"text": "{\"content\":\"hello world!\"}"},
  "contentType": 101,
  "sessionType": 1,
  "isOnlineOnly": false,
  "notOfflinePush": false,
  "offlinePushInfo": {
    "title": "send message",
    "desc": "",
    "ex": "",
    "iOSPushSound": "default",
    "iOSBadgeCount": true
  }
}'
