// One text for three rooms, as the vendor's page shows it for JavaScript.
// HOST: where the server is. IM_API_KEY: the platform's key.
const send = (body) =>
  fetch(`${process.env.HOST}/messages/batch`, {
    method: "POST",
    headers: { "IM-API-KEY": process.env.IM_API_KEY, "Content-Type": "application/json; charset=utf-8" },
    body: JSON.stringify(body),
  });

send({
  messageType: "text",
  message: "活動提醒:明天 14:00 開始",
  sender: "system",
  paras: [{ room: "room-001" }, { room: "room-002" }, { room: "room-003" }],
})
  .then((response) => response.text())
  .then((answer) => console.log(answer));
