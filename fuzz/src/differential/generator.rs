//! Random bodies, from a table of layouts.

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To a broker.
    Request,
    /// From a broker.
    Response,
}

/// A body's layout: `b` is a flag, `h`, `w` and `q` are numbers of 2, 4 and 8 bytes, `t` is a string, `n` one that may be
/// null, `B` bytes behind their length, `N` bytes that may be null, and brackets an array.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The API's key.
    pub key: i16,
    /// The API's version.
    pub version: i16,
    /// Which way it goes.
    pub side: Side,
    /// Its fields.
    pub fields: &'static str,
}

const fn layout(key: i16, version: i16, side: Side, fields: &'static str) -> Layout {
    Layout { key, version, side, fields }
}

/// Every layout that both readers know.
pub const LAYOUTS: [Layout; 28] = [
    layout(0, 0, Side::Request, "hw[t[wB]]"),
    layout(0, 0, Side::Response, "[t[whq]]"),
    layout(1, 0, Side::Request, "www[t[wqw]]"),
    layout(1, 0, Side::Response, "[t[whqN]]"),
    layout(2, 0, Side::Request, "w[t[wqw]]"),
    layout(2, 0, Side::Response, "[t[wh[q]]]"),
    layout(3, 0, Side::Request, "[t]"),
    layout(3, 0, Side::Response, "[wtw][ht[hww[w][w]]]"),
    layout(4, 0, Side::Request, "ww[twwww[w]w[w]][wtw]"),
    layout(4, 0, Side::Response, "h[twh]"),
    layout(5, 0, Side::Request, "wwb[tw]"),
    layout(5, 0, Side::Response, "h[twh]"),
    layout(6, 0, Side::Request, "ww[twwww[w]w[w]][wtw]"),
    layout(6, 0, Side::Response, "h"),
    layout(7, 0, Side::Request, "w"),
    layout(7, 0, Side::Response, "h[tw]"),
    layout(8, 0, Side::Request, "t[t[wqn]]"),
    layout(8, 0, Side::Response, "[t[wh]]"),
    layout(8, 1, Side::Request, "twt[t[wqqn]]"),
    layout(8, 1, Side::Response, "[t[wh]]"),
    layout(9, 0, Side::Request, "t[t[w]]"),
    layout(9, 0, Side::Response, "[t[wqnh]]"),
    layout(9, 1, Side::Request, "t[t[w]]"),
    layout(9, 1, Side::Response, "[t[wqnh]]"),
    layout(10, 0, Side::Request, "t"),
    layout(10, 0, Side::Response, "hwtw"),
    layout(12, 0, Side::Request, "twt"),
    layout(12, 0, Side::Response, "h"),
];

/// A source of bodies that are the same for the same seed (`SplitMix64`).
#[derive(Debug)]
pub struct Generator(u64);

impl Generator {
    /// One that begins at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A body of this layout.
    #[must_use]
    pub fn body(&mut self, fields: &str) -> Vec<u8> {
        let mut body = Vec::new();
        self.write(fields, &mut body);
        body
    }

    fn write(&mut self, fields: &str, to: &mut Vec<u8>) {
        let mut rest = fields;
        while let Some(field) = rest.chars().next() {
            rest = rest.get(1..).unwrap_or_default();
            match field {
                'b' => to.push(u8::from(self.below(2) == 1)),
                'h' => self.number(2, to),
                'w' => self.number(4, to),
                'q' => self.number(8, to),
                't' => self.text(to),
                'n' if self.below(4) == 0 => to.extend_from_slice(&[0xff, 0xff]),
                'n' => self.text(to),
                'N' if self.below(4) == 0 => to.extend_from_slice(&[0xff; 4]),
                'B' | 'N' => {
                    let len = self.below(30);
                    to.extend_from_slice(&u32::try_from(len).expect("below 30").to_be_bytes());
                    (0..len).for_each(|_| to.push(self.next().to_be_bytes()[0]));
                }
                '[' => {
                    let (element, behind) = rest.split_at(closing(rest));
                    rest = behind.get(1..).unwrap_or_default();
                    let count = self.below(4);
                    to.extend_from_slice(&u32::try_from(count).expect("below 4").to_be_bytes());
                    (0..count).for_each(|_| self.write(element, to));
                }
                other => panic!("{other:?} is no field"),
            }
        }
    }

    /// Often a small number, or one at an edge.
    fn number(&mut self, width: usize, to: &mut Vec<u8>) {
        let number = match self.below(4) {
            0 => self.below(20),
            1 => u64::MAX - self.below(3),
            2 => 1 << (8 * width - 1),
            _ => self.next(),
        };
        let bytes = number.to_be_bytes();
        to.extend_from_slice(bytes.get(8 - width..).unwrap_or_default());
    }

    fn text(&mut self, to: &mut Vec<u8>) {
        let alphabet = ['a', 'Z', '-', '.', '\u{e9}', '\u{20ac}', '\u{1f600}', '\0'];
        let text: String =
            (0..self.below(8)).filter_map(|_| alphabet.get(usize::try_from(self.below(8)).ok()?).copied()).collect();
        to.extend_from_slice(&u16::try_from(text.len()).expect("short").to_be_bytes());
        to.extend_from_slice(text.as_bytes());
    }
}

/// Where the bracket closes that was open before `fields`.
fn closing(fields: &str) -> usize {
    let mut depth = 0;
    let end = fields.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        depth < 0
    });
    end.expect("brackets are closed")
}
