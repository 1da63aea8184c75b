//! Two lists of lines side by side: what only the first has with a `-`, what only the second has with a `+`.

/// How many lines that both have are shown before and after a difference.
const CONTEXT: usize = 3;

/// A line and which list has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line<'a> {
    Both(&'a str),
    First(&'a str),
    Second(&'a str),
}

/// The differences of two lists, the first one first, with the lines around them.
pub(super) fn text(first: &[String], second: &[String]) -> String {
    let lines = side_by_side(first, second);
    let differs = |line: &Line<'_>| !matches!(line, Line::Both(_));
    let mut out = String::new();
    let mut left_out = false;
    for (index, line) in lines.iter().enumerate() {
        let around = &lines[index.saturating_sub(CONTEXT)..lines.len().min(index + CONTEXT + 1)];
        if !around.iter().any(differs) {
            left_out = true;
            continue;
        }
        if std::mem::take(&mut left_out) {
            out.push_str("    …\n");
        }
        let (mark, line) = match line {
            Line::Both(line) => (" ", line),
            Line::First(line) => ("-", line),
            Line::Second(line) => ("+", line),
        };
        for part in ["  ", mark, " ", line, "\n"] {
            out.push_str(part);
        }
    }
    if left_out {
        out.push_str("    …\n");
    }
    out
}

/// By the longest common subsequence. Channels have a few hundred lines, so that its table stays small.
fn side_by_side<'a>(first: &'a [String], second: &'a [String]) -> Vec<Line<'a>> {
    // common[i][j] is how many lines first[i..] and second[j..] can have in common, in order.
    let mut common = vec![vec![0_usize; second.len() + 1]; first.len() + 1];
    for i in (0..first.len()).rev() {
        for j in (0..second.len()).rev() {
            common[i][j] =
                if first[i] == second[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(first.len().max(second.len()));
    while i < first.len() || j < second.len() {
        if i < first.len() && j < second.len() && first[i] == second[j] {
            lines.push(Line::Both(&first[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == second.len() || (i < first.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(Line::First(&first[i]));
            i += 1;
        } else {
            lines.push(Line::Second(&second[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_difference_is_shown_with_the_lines_around_it() {
        let (first, second) = (lines("a b c d e f g h i"), lines("a b c d e x g h i"));
        assert_eq!(text(&first, &second), "    …\n    c\n    d\n    e\n  - f\n  + x\n    g\n    h\n    i\n");
    }

    #[test]
    fn a_line_more_is_one_difference() {
        let (first, second) = (lines("a b c d e f g h i"), lines("a b c d e f g h i j"));
        assert_eq!(text(&first, &second), "    …\n    g\n    h\n    i\n  + j\n");
        assert_eq!(text(&second, &first), "    …\n    g\n    h\n    i\n  - j\n");
        assert_eq!(text(&lines("a b"), &lines("b")), "  - a\n    b\n");
    }
}
