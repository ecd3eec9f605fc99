#!/bin/sh
# One text for a chat room, as the vendor's page shows it for curl.
# HOST: where the server is. APP_KEY, NONCE, CUR_TIME and CHECK_SUM: the signature's headers.
curl -sS -X POST \
  -H "CheckSum: $CHECK_SUM" -H "AppKey: $APP_KEY" -H "Nonce: $NONCE" -H "CurTime: $CUR_TIME" \
  -H "Content-Type: application/x-www-form-urlencoded" \
  -d 'roomid=765788&msgList=[{"attach":"oadsjfadhsfis89d","ext":"fidsuf9a8dhsigsfdj","msgId":"adfdas8fua8d9g","msgType":0,"resendFlag":0}]&fromAccid=fromAccid' \
  "$HOST/nimserver/chatroom/batchSendMsg.action"
