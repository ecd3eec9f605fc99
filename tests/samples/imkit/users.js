// One text for three users, as the vendor's page shows it for JavaScript.
// HOST: where the server is. IM_API_KEY: the platform's key.
const send = (body) =>
  fetch(`${process.env.HOST}/messages/batch`, {
    method: "POST",
    headers: { "IM-API-KEY": process.env.IM_API_KEY, "Content-Type": "application/json; charset=utf-8" },
    body: JSON.stringify(body),
  });

send({
  messageType: "text",
  message: "系統公告:明天將進行例行維護",
  push: true,
  sender: "system",
  paras: [{ receiver: "user-a" }, { receiver: "user-b" }, { receiver: "user-c" }],
})
  .then((response) => response.text())
  .then((answer) => console.log(answer));
