// Asks a node for its vote over MessagePack-RPC without any library and prints the response frame as hex.
// usage: node requestvote.js HOST PORT CLUSTER FROM TO TERM
const [host, port, cluster, from, to, term] = process.argv.slice(2);

const encode = (v) => {
  if (typeof v === 'boolean') return Buffer.from([v ? 0xc3 : 0xc2]);
  if (typeof v === 'number') return Buffer.from([0xcd, v >> 8, v & 255]);
  if (typeof v === 'string') return Buffer.concat([Buffer.from([0xd9, Buffer.byteLength(v)]), Buffer.from(v)]);
  const fields = Object.entries(v);
  return Buffer.concat([Buffer.from([0x80 | fields.length]), ...fields.flat().map(encode)]);
};
const request = Buffer.concat([
  Buffer.from([0x94, 0x00, 0x2a]), encode('Raft.RequestVote'), Buffer.from([0x91]), // [0, 42, method, [{ ... }]]
  encode({
    Cluster: cluster, From: from, To: to, Directory: 'none', Term: Number(term),
    CandidateID: from, LastLogIndex: 0, LastLogTerm: 0, PreVote: true,
  }),
]);

const socket = require('node:net').connect(Number(port), host, () => socket.write(request));
socket.once('data', (chunk) => { console.log(chunk.toString('hex')); socket.end(); });
