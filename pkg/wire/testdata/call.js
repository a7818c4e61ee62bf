// Calls one method over MessagePack-RPC without any library and prints the response as JSON, bytes as hex.
// usage: node call.js HOST PORT METHOD
const [host, port, method] = process.argv.slice(2);

const str = (s) => {
  const b = Buffer.from(s);
  return Buffer.concat([b.length < 32 ? Buffer.from([0xa0 | b.length]) : Buffer.from([0xd9, b.length]), b]);
};
const request = Buffer.concat([
  Buffer.from([0x94, 0x00, 0x07]), str(method), Buffer.from([0x91, 0x84]), // [0, 7, method, [{ ... }]]
  str('Text'), str('héllo'),
  str('N'), Buffer.from([0xcd, 0x01, 0x2c]), // 300
  str('Data'), Buffer.from([0xc4, 3, 0, 1, 255]),
  str('Items'), Buffer.from([0x90]),
]);

function decode(b) { // one value; throws RangeError when b ends inside it
  let at = 0;
  const uint = (n) => { const v = b.readUIntBE(at, n); at += n; return v; };
  const take = (n) => { if (at + n > b.length) throw new RangeError('incomplete'); at += n; return b.subarray(at - n, at); };
  const list = (n) => Array.from({ length: n }, value);
  const map = (n) => Object.fromEntries(Array.from({ length: n }, () => [value(), value()]));
  function value() {
    const d = uint(1);
    if (d < 0x80) return d;
    if (d < 0x90) return map(d & 15);
    if (d < 0xa0) return list(d & 15);
    if (d < 0xc0) return take(d & 31).toString();
    if (d === 0xc0) return null;
    if (d === 0xc2 || d === 0xc3) return d === 0xc3;
    if (d >= 0xc4 && d <= 0xc6) return take(uint(1 << (d - 0xc4))).toString('hex');
    if (d >= 0xcc && d <= 0xce) return uint(1 << (d - 0xcc));
    if (d === 0xd0) return uint(1) << 24 >> 24;
    if (d === 0xd1) return uint(2) << 16 >> 16;
    if (d >= 0xd9 && d <= 0xdb) return take(uint(1 << (d - 0xd9))).toString();
    throw new Error(`no rule for 0x${d.toString(16)}`);
  }
  return value();
}

let received = Buffer.alloc(0);
const socket = require('node:net').connect(Number(port), host, () => socket.write(request));
socket.on('data', (chunk) => {
  received = Buffer.concat([received, chunk]);
  try { console.log(JSON.stringify(decode(received))); } catch (e) { if (e instanceof RangeError) return; throw e; }
  socket.end();
});
