// Two texts for two groups in one call, as the vendor's page shows it for JavaScript.
// HOST: where the server is.
const text = (place, group) => ({
  header: { no_persist: 0, red_dot: 1, sync_once: 0 },
  client_msg_no: `batch_msg_${Date.now()}_${place}`,
  from_uid: "system",
  channel_id: group,
  channel_type: 2,
  expire: 0,
  payload: btoa(JSON.stringify({ type: "text", content: `Hello Group ${place}` })),
  tag_key: "notification",
});

fetch(`${process.env.HOST}/message/sendbatch`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify([text(1, "group123"), text(2, "group456")]),
})
  .then((response) => response.text())
  // Ids have more digits than a JavaScript number: the text is printed as it came.
  .then((answer) => console.log(answer));
