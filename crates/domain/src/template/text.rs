//! Foreign text, made fit to be shown: no longer than it may be, and nothing but text.

/// `text` with what `escape` says in place of some letters, at most `units_max` UTF-16 units long; what is cut ends
/// in `…`.
///
/// UTF-16 units are the most that receivers count: those who count letters find fewer. It reads no more of `text`
/// than it writes, and never cuts an escape in two.
pub(super) fn fit(text: &str, units_max: usize, escape: impl Fn(char) -> Option<&'static str>) -> String {
    let (mut fitted, mut units, mut cut) = (String::new(), 0, 0);
    for letter in text.chars().map(tame) {
        match escape(letter) {
            Some(escaped) => {
                fitted.push_str(escaped);
                units += escaped.chars().map(char::len_utf16).sum::<usize>();
            }
            None => {
                fitted.push(letter);
                units += letter.len_utf16();
            }
        }
        if units > units_max {
            fitted.truncate(cut);
            fitted.push('…');
            break;
        }
        if units < units_max {
            cut = fitted.len();
        }
    }
    fitted
}

/// The escape of those who need none.
pub(super) const fn plain(_: char) -> Option<&'static str> {
    None
}

/// Letters that would do something instead of being seen: control characters, and those that turn the direction of a
/// line so that it reads as another.
const fn tame(letter: char) -> char {
    match letter {
        '\n' | '\t' => letter,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => letter,
    }
}

/// `json` with a line for each entry, up to some `units_max` UTF-16 units: then it breaks off.
///
/// It lays out the text as it came, so that numbers, order and equal keys stay as the sender wrote them.
pub(super) fn laid_out(json: &str, units_max: usize) -> String {
    // A UTF-16 unit takes at most three bytes: with more there is certainly more to come than may be shown.
    let bytes_max = units_max.saturating_mul(3);
    let (mut text, mut depth, mut in_string, mut is_escaped) = (String::new(), 0_usize, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if text.len() > bytes_max {
            break;
        }
        if in_string {
            text.push(letter);
            in_string = letter != '"' || is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            continue;
        }
        match letter {
            ' ' | '\n' | '\r' | '\t' => {}
            '{' | '[' => {
                text.push(letter);
                while letters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    begin_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                begin_line(&mut text, depth);
                text.push(letter);
            }
            ',' => {
                text.push(letter);
                begin_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            _ => {
                text.push(letter);
                in_string = letter == '"';
            }
        }
    }
    text
}

fn begin_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn loudly(letter: char) -> Option<&'static str> {
        (letter == '!').then_some("(bang)")
    }

    fn units(text: &str) -> usize {
        text.encode_utf16().count()
    }

    #[test]
    fn what_fits_is_whole_and_what_does_not_ends_in_an_ellipsis() {
        assert_eq!(fit("abc", 3, plain), "abc");
        assert_eq!(fit("abcd", 3, plain), "ab…");
        assert_eq!(fit("", 0, plain), "");
        assert_eq!(fit("😀😀", 4, plain), "😀😀");
        assert_eq!(fit("😀😀", 3, plain), "😀…");
        assert_eq!(fit("a!", 7, loudly), "a(bang)");
        assert_eq!(fit("a!!", 12, loudly), "a(bang)…", "an escape is never cut");
    }

    #[test]
    fn what_would_do_something_is_not_let_through() {
        assert_eq!(fit("a\0b\u{1b}[31m\r\n\tc", 99, plain), "a b [31m \n\tc");
        assert_eq!(fit("txt.\u{202e}exe", 99, plain), "txt.\u{fffd}exe");
    }

    #[test]
    fn json_is_laid_out_as_it_came() {
        let came = r#" {"b":1e999 ,"a":[ ],"a":{ "x":"{\"[,:\\"},"l":[1, {}]} "#;
        let shown = "{\n  \"b\": 1e999,\n  \"a\": [],\n  \"a\": {\n    \"x\": \"{\\\"[,:\\\\\"\n  },\n  \"l\": [\n    1,\n    {}\n  ]\n}";
        assert_eq!(laid_out(came, 1_000), shown);
        assert_eq!(laid_out("\"x\"", 1_000), "\"x\"");
    }

    #[test]
    fn of_a_long_document_no_more_is_read_than_is_shown() {
        let long = format!("[{}1]", "\"é\",".repeat(1_000_000));
        let shown = laid_out(&long, 1_000);
        assert!(units(&shown) > 1_000 && shown.len() < 3_100);
    }

    proptest! {
        #[test]
        fn it_is_never_too_long_and_only_cut_when_it_must_be(text: String, units_max in 1..40_usize) {
            let whole = fit(&text, usize::MAX, loudly);
            let fitted = fit(&text, units_max, loudly);
            prop_assert!(units(&fitted) <= units_max);
            if units(&whole) <= units_max {
                prop_assert_eq!(fitted, whole);
            } else {
                prop_assert!(whole.starts_with(fitted.strip_suffix('…').unwrap()));
                prop_assert!(units(&fitted) + "(bang)".len() > units_max, "{} of {}", fitted, units_max);
            }
        }

        #[test]
        fn laid_out_json_is_the_same_json(text: String, number: f64, depth in 0..8_usize) {
            let value = (0..depth).fold(json!([text, number, {}, []]), |inner, _| json!({text.clone(): [inner]}));
            let shown = laid_out(&value.to_string(), 1_000_000);
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), serde_json::from_str::<Value>(&value.to_string()).unwrap());
        }
    }
}
