//! Ways to break a body: as bytes, as text, and as JSON that is well-formed and still wrong.

use serde_json::{Map, Value, json};

/// Deepest nesting that is made; the parser gives up long before.
const DEEPEST: usize = 3_000;
/// Longest text that is made. The bound on bodies has its own test.
const LONGEST: usize = 20_000;

/// Numbers that some parser takes for what they are not. As text: not all of them are values to serde_json.
const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "-1",
    "1e999",
    "-1E+400",
    "1e-999",
    "18446744073709551616",
    "-9223372036854775809",
    "4294967296",
    "0.1",
    "00",
    "99999999999999999999999999999999999999999999999999",
];

/// Texts where an id, a name, an address or a number is wanted.
const TEXTS: [&str; 20] = [
    "",
    " ",
    "../../../etc/passwd",
    "n1/../n2",
    "a\u{0}b",
    "\u{202e}eth0",
    "ü\u{301}",
    "0.0.0.0/0",
    "10.0.0.5/33",
    "::/0",
    "fe80::1%eth0/64",
    "300.1.1.1/8",
    "ff:ff:ff:ff:ff:ff",
    "00:00:00:00:00:00",
    "0x10",
    "4095",
    "20.20.20",
    "%s%n",
    "null",
    "par0",
];

/// Keys that mean something somewhere.
const KEYS: [&str; 14] = [
    "NetworkID",
    "EndpointID",
    "networkid",
    "Options",
    "Interface",
    "IPv4Data",
    "Pool",
    "MacAddress",
    "com.docker.network.generic",
    "com.docker.network.internal",
    "com.docker.network.endpoint.ifname",
    "host_iface",
    "vlan",
    "mode",
];

/// Breaks bodies; the same seed breaks them in the same way.
pub struct Mutator {
    state: u64,
}

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number (splitmix64: every seed is a good one).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A place in something of this length; its end is one too.
    fn place(&mut self, length: usize) -> usize {
        self.below(length + 1)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A body that is broken in one to three ways, sometimes with a part of another.
    pub fn mutate(&mut self, body: &[u8], other: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        for _ in 0..*self.pick(&[1, 1, 1, 2, 3]) {
            match self.below(12) {
                0 => self.flip_bits(&mut body),
                1 => body.truncate(self.place(body.len())),
                2 => self.splice(&mut body, other),
                3 => self.remove_part(&mut body),
                4 => self.repeat_part(&mut body),
                5 => self.insert_bytes(&mut body),
                6 => self.insert_key(&mut body),
                7 => self.nest(&mut body),
                8 => self.swap_number(&mut body),
                _ => self.swap_value(&mut body),
            }
        }
        body
    }

    fn flip_bits(&mut self, body: &mut [u8]) {
        for _ in 0..=self.below(8) {
            let place = self.place(body.len());
            if let Some(byte) = body.get_mut(place) {
                *byte ^= 1 << self.below(8);
            }
        }
    }

    /// The start of one, the end of another.
    fn splice(&mut self, body: &mut Vec<u8>, other: &[u8]) {
        body.truncate(self.place(body.len()));
        body.extend_from_slice(&other[self.place(other.len())..]);
    }

    fn part(&mut self, body: &[u8]) -> std::ops::Range<usize> {
        let (one, two) = (self.place(body.len()), self.place(body.len()));
        one.min(two)..one.max(two)
    }

    fn remove_part(&mut self, body: &mut Vec<u8>) {
        let part = self.part(body);
        body.drain(part);
    }

    fn repeat_part(&mut self, body: &mut Vec<u8>) {
        let part = self.part(body);
        let part = body[part].to_vec();
        let place = self.place(body.len());
        body.splice(place..place, part);
    }

    /// No UTF-8, half a surrogate pair, control characters, a byte order mark, whitespace.
    fn insert_bytes(&mut self, body: &mut Vec<u8>) {
        const BYTES: [&[u8]; 10] = [
            b"\xff",
            b"\xc0\xaf",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\\ud800",
            b"\\u0000",
            b"\0",
            b"\xef\xbb\xbf",
            b"\r\n\t ",
            b"\"",
        ];
        let place = self.place(body.len());
        body.splice(place..place, self.pick(&BYTES).iter().copied());
    }

    /// One more key in some object: unknown, out of place, or there twice.
    fn insert_key(&mut self, body: &mut Vec<u8>) {
        let objects: Vec<usize> = (0..body.len()).filter(|place| body[*place] == b'{').collect();
        if !objects.is_empty() {
            let place = *self.pick(&objects) + 1;
            let entry = format!("{}:{},", json!(self.pick(&KEYS)), self.value());
            body.splice(place..place, entry.into_bytes());
        }
    }

    /// Something deep, in the place of a value or anywhere.
    fn nest(&mut self, body: &mut Vec<u8>) {
        let depth = self.below(DEEPEST);
        let (open, close) = *self.pick(&[("[", "]"), ("{\"a\":", "}"), ("[{\"Options\":", "}]")]);
        let closed = if self.below(2) == 0 { depth } else { 0 };
        let nested = format!("{}0{}", open.repeat(depth), close.repeat(closed));
        let values: Vec<usize> = (1..=body.len()).filter(|place| body[place - 1] == b':').collect();
        let place = if values.is_empty() { self.place(body.len()) } else { *self.pick(&values) };
        body.splice(place..place, nested.into_bytes());
    }

    /// A number, also one that is none, in the place of a literal.
    fn swap_number(&mut self, body: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(body).into_owned();
        let number = self.pick(&NUMBERS);
        let old = *self.pick(&["true", "false", "null", "\"\"", "[]", "{}", "1", "2", "0"]);
        *body = text.replacen(old, number, 1 + self.below(2)).into_bytes();
    }

    /// Another value somewhere in what is still JSON.
    fn swap_value(&mut self, body: &mut Vec<u8>) {
        let Ok(mut root) = serde_json::from_slice::<Value>(body) else {
            return self.flip_bits(body);
        };
        let target = self.below(count(&root));
        let value = self.value();
        replace(&mut root, target, value);
        *body = root.to_string().into_bytes();
    }

    fn value(&mut self) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.next()),
            3 => json!(self.next() as i64),
            4 => json!([]),
            5 => json!([null, self.below(5), {}]),
            6 => Value::Object(Map::from_iter([((*self.pick(&KEYS)).to_owned(), json!(self.next()))])),
            7 if self.below(20) == 0 => json!("x".repeat(self.below(LONGEST))),
            _ => json!(self.pick(&TEXTS)),
        }
    }
}

/// How many values there are in this one, itself included.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Replaces the value that is the `target`th of these, counted from the outside.
fn replace(value: &mut Value, target: usize, new: Value) {
    if target == 0 {
        *value = new;
        return;
    }
    let mut target = target - 1;
    let children: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(fields) => Box::new(fields.values_mut()),
        _ => return,
    };
    for child in children {
        let size = count(child);
        if target < size {
            return replace(child, target, new);
        }
        target -= size;
    }
}
