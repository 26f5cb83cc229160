//! Splits a stream of bytes into lines of bounded length.

/// A longer line is cut here, in bytes. The longest that restic writes is the list of all snapshots, of about 800 bytes each.
pub const LONGEST_LINE: usize = 16 << 20;

/// A splitter. It keeps at most [`LONGEST_LINE`] bytes.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes bytes, and gives each line that they complete, without its end. Bytes that are no UTF-8 are replaced.
    pub fn push(&mut self, mut bytes: &[u8], line: &mut dyn FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.keep(&bytes[..end]);
            self.finish(line);
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// Gives the last line, if it has no end.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.rest.is_empty() {
            line(String::from_utf8_lossy(&self.rest).trim_end_matches('\r'));
        }
        self.rest.clear();
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST_LINE - self.rest.len();
        self.rest.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.push(chunk, &mut |line| found.push(line.to_owned()));
        }
        lines.finish(&mut |line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_are_found_across_chunks() {
        assert_eq!(split(&[b"a\nb", b"c\r\n\n", b"d"]), ["a", "bc", "d"]);
        assert_eq!(split(&[b"a\xff\n"]), ["a\u{fffd}"]);
    }

    #[test]
    fn a_line_without_an_end_needs_no_more_memory_than_the_longest() {
        let mut lines = Lines::default();
        for _ in 0..5 {
            lines.push(&vec![b'x'; LONGEST_LINE / 2], &mut |_| panic!("no line ended"));
        }
        assert_eq!(lines.rest.len(), LONGEST_LINE);
        let mut found = Vec::new();
        lines.push(b"\nnext\n", &mut |line| found.push(line.len()));
        assert_eq!(found, [LONGEST_LINE, 4]);
    }
}
