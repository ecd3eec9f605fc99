// A text with values for each of two users, as the vendor's page shows it for JavaScript.
// HOST: where the server is. IM_API_KEY: the platform's key.
const send = (body) =>
  fetch(`${process.env.HOST}/messages/batch`, {
    method: "POST",
    headers: { "IM-API-KEY": process.env.IM_API_KEY, "Content-Type": "application/json; charset=utf-8" },
    body: JSON.stringify(body),
  });

send({
  messageType: "text",
  message: "Hi $name$,您的訂單 $orderId$ 已出貨!",
  push: true,
  sender: "system",
  paras: [
    { receiver: "user-a", "$name$": "Alice", "$orderId$": "ORD-001" },
    { receiver: "user-b", "$name$": "Bob", "$orderId$": "ORD-002" },
  ],
})
  .then((response) => response.text())
  .then((answer) => console.log(answer));
