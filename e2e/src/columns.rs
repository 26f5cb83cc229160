//! Text in columns, for people.

/// The rows with their columns aligned, two spaces between them, each line indented by `indent`. Columns of numbers only, the
/// first row aside, stand on the right.
pub(crate) fn columns(rows: &[Vec<String>], indent: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
    let shapes: Vec<(usize, bool)> = (0..count)
        .map(|at| {
            let width = rows.iter().map(|row| cell(row, at).chars().count()).max().unwrap_or(0);
            let mut below = rows
                .iter()
                .skip(1)
                .map(|row| cell(row, at))
                .filter(|text| !text.is_empty())
                .peekable();
            let numbers = below.peek().is_some() && below.all(|text| text.parse::<f64>().is_ok());
            (width, numbers)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (at, (width, right)) in shapes.iter().enumerate() {
            let text = cell(row, at);
            let pad = " ".repeat(width - text.chars().count());
            let gap = if at == 0 { "" } else { "  " };
            for part in if *right { [gap, &pad, &text] } else { [gap, &text, &pad] } {
                line.push_str(part);
            }
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            row(&["NAME", "TYPE", "MS"]),
            row(&["äpfel", "A", "7"]),
            row(&["b", "CNAME", "12.5"]),
        ];
        assert_eq!(
            columns(&rows, 1),
            " NAME   TYPE     MS\n äpfel  A         7\n b      CNAME  12.5\n"
        );
    }

    #[test]
    fn short_rows_and_no_rows_are_no_trouble() {
        assert_eq!(columns(&[], 0), "");
        assert_eq!(columns(&[row(&["a", "b"]), row(&["c"])], 0), "a  b\nc\n");
    }
}
