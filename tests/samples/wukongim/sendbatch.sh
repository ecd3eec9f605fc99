#!/bin/sh
# Two texts for two groups in one call, as the vendor's page shows it for curl.
# HOST: where the server is.
curl -sS -X POST "$HOST/message/sendbatch" -H "Content-Type: application/json" -d '[
  {
    "header": {"no_persist": 0, "red_dot": 1, "sync_once": 0},
    "client_msg_no": "batch_msg_1",
    "from_uid": "system",
    "channel_id": "group123",
    "channel_type": 2,
    "expire": 0,
    "payload": "SGVsbG8gR3JvdXAgMQ==",
    "tag_key": "notification"
  },
  {
    "header": {"no_persist": 0, "red_dot": 1, "sync_once": 0},
    "client_msg_no": "batch_msg_2",
    "from_uid": "system",
    "channel_id": "group456",
    "channel_type": 2,
    "expire": 0,
    "payload": "SGVsbG8gR3JvdXAgMg==",
    "tag_key": "notification"
  }
]'
