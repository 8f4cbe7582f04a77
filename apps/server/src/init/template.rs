//! Texts with places: `<name>`, of small letters and underscores.

/// Puts values in their places, once: a value is never looked at for places. What no value is for stays as it is.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        filled.push_str(before);
        let name = from[1..]
            .find(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .filter(|end| from.as_bytes().get(end + 1) == Some(&b'>'))
            .map(|end| &from[1..=end]);
        let value = name.and_then(|name| values.iter().find(|(known, _)| *known == name));
        if let (Some(name), Some((_, value))) = (name, value) {
            filled.push_str(value);
            rest = &from[name.len() + 2..];
        } else {
            filled.push('<');
            rest = &from[1..];
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_values_are_not_looked_at_again() {
        let values = [("domain", "<port>"), ("port", "80")];
        assert_eq!(fill("a <domain>:<port> b", &values), "a <port>:80 b");
    }

    #[test]
    fn what_is_no_place_stays() {
        let values = [("domain", "x")];
        for text in [
            "",
            "<",
            "a < b > c",
            "<room ID>",
            "<other>",
            "<>",
            "<domain",
            "<Domain>",
            "é<é",
        ] {
            assert_eq!(fill(text, &values), text);
        }
    }
}
