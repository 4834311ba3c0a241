// The C interface by koffi: a callback that throws leaves its result undefined. By `pull` that is an error,
// never bytes and never the end, whatever it is. NODE_PATH has koffi, the argument is the library.
const koffi = require('koffi');
const lib = koffi.load(process.argv[2]);
const Pull = koffi.proto('int pull_source(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)');
koffi.struct('sb_callback', {
    read: 'void *', opaque: 'void *', seek: 'void *', cancel: 'void *', close: 'void *',
    pull: koffi.pointer(Pull), flags: 'uint32_t', reserved_flags: 'uint32_t', size: 'void *',
    reserved: koffi.array('void *', 7),
});
const sb_new = lib.func('void *sb_new(sb_callback *callback, uint64_t size, uint64_t max_memory)');
const sb_read = lib.func('int64_t sb_read(void *buffer, uint64_t off, size_t len, _Out_ uint8_t *out)');
const sb_buffered = lib.func('int64_t sb_buffered(void *buffer, uint64_t off)');
const sb_retry = lib.func('int sb_retry(void *buffer)');
const sb_free = lib.func('void sb_free(void *buffer)');

let calls = 0;
const pull = koffi.register((opaque, offset, out, capacity, count) => {
    calls += 1;
    if (calls === 4) throw new Error('cut');
    const bytes = new Uint8Array(Math.min(Number(capacity), 1000, 5000 - Number(offset)));
    bytes.forEach((_, at) => { bytes[at] = (Number(offset) + at) % 251; });
    koffi.encode(out, koffi.array('uint8_t', bytes.length), bytes);
    koffi.encode(count, 'size_t', bytes.length);
    return 0;
}, koffi.pointer(Pull));

const empty = { read: null, opaque: null, seek: null, cancel: null, close: null };
const rest = { flags: 0, reserved_flags: 0, size: null, reserved: Array(7).fill(null) };
const buffer = sb_new({ ...empty, pull, ...rest }, 5000, 5 << 20);
const room = Buffer.alloc(5000);

function read(offset) {
    try {
        return Number(sb_read(buffer, offset, 5000 - offset, room));
    } catch (error) {
        return error.message;
    }
}

function expect(what, ok, seen) {
    if (ok) return;
    console.log(`FAIL ${what}: ${seen}`);
    process.exit(1);
}

read(0);
expect('what the source delivered is buffered, and nothing else', Number(sb_buffered(buffer, 0)) === 3000, sb_buffered(buffer, 0));
const failed = read(3000);
expect('then an error', failed === 'cut' || failed === -2, failed);
expect('it stays', Number(sb_buffered(buffer, 0)) === 3000 && calls === 4, calls);
sb_retry(buffer);
const last = read(3000);
expect('and the source goes on', last === 2000, last);
expect('with the right bytes', room[0] === 3000 % 251 && room[1999] === 4999 % 251, room[0]);
sb_free(buffer);
console.log('PASS');
