//! The syntax of `www-authenticate` and `authorization` (RFC 9110 section 11): schemes, and what follows them.

use super::fields::FieldError;

/// The most challenges in a field, and parameters of one.
const MAX_CHALLENGES: usize = 8;
const MAX_PARAMETERS: usize = 16;

/// A scheme with what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credentials<'a> {
    pub(super) scheme: &'a str,
    /// Instead of parameters.
    pub(super) token68: Option<&'a str>,
    /// Name and value, without quotes.
    parameters: Vec<(&'a str, String)>,
}

impl Credentials<'_> {
    /// The one parameter of this name.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<&str>, FieldError> {
        let mut values = self
            .parameters
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(FieldError::Repeated),
            (first, _) => Ok(first.map(|(_, value)| value.as_str())),
        }
    }
}

/// Reads a list of them. A comma parts parameters as well as schemes: what follows tells which.
pub(super) fn read_list(text: &str) -> Result<Vec<Credentials<'_>>, FieldError> {
    let mut reader = Reader { rest: text };
    let mut list: Vec<Credentials<'_>> = Vec::new();
    loop {
        reader.skip_separators();
        if reader.rest.is_empty() {
            return Ok(list);
        }
        let name = reader.token()?;
        let is_full = list.len() >= MAX_CHALLENGES;
        let is_parameter = reader.rest.trim_start_matches(is_space).starts_with('=');
        match list.last_mut() {
            Some(current) if is_parameter => {
                if current.token68.is_some() || current.parameters.len() >= MAX_PARAMETERS {
                    return Err(FieldError::Syntax);
                }
                current.parameters.push((name, reader.parameter_value()?));
            }
            _ if is_parameter || is_full => return Err(FieldError::Syntax),
            _ => {
                let token68 = reader.token68();
                list.push(Credentials {
                    scheme: name,
                    token68,
                    parameters: Vec::new(),
                });
                // The first parameter follows its scheme without a comma, everything else after one.
                if token68.is_none() && reader.skip_spaces() && reader.next_is_token() {
                    continue;
                }
            }
        }
        reader.end_of_element()?;
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_spaces(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches(is_space);
        self.rest.len() < before
    }

    fn skip_separators(&mut self) {
        let separates = |c: char| is_space(c) || c == ',';
        self.rest = self.rest.trim_start_matches(separates);
    }

    fn next_is_token(&self) -> bool {
        self.rest.starts_with(is_token)
    }

    fn token(&mut self) -> Result<&'a str, FieldError> {
        let token = self.take_while(is_token);
        (!token.is_empty())
            .then_some(token)
            .ok_or(FieldError::Syntax)
    }

    /// What follows a scheme, if it is one word, with `=` at its end only, and nothing after it.
    fn token68(&mut self) -> Option<&'a str> {
        let is_token68 = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
        let start = self.rest.strip_prefix(' ')?.trim_start_matches(' ');
        let body = start.trim_start_matches(is_token68);
        let rest = body.trim_start_matches('=');
        let word = &start[..start.len() - rest.len()];
        let after = rest.trim_start_matches(is_space);
        let is_whole = body.len() < start.len() && (after.is_empty() || after.starts_with(','));
        is_whole.then(|| {
            self.rest = rest;
            word
        })
    }

    fn parameter_value(&mut self) -> Result<String, FieldError> {
        self.skip_spaces();
        self.rest = self.rest.strip_prefix('=').ok_or(FieldError::Syntax)?;
        self.skip_spaces();
        match self.rest.strip_prefix('"') {
            Some(rest) => {
                self.rest = rest;
                self.quoted_string()
            }
            None => self.token().map(str::to_owned),
        }
    }

    /// What is between quotes; the first is read.
    fn quoted_string(&mut self) -> Result<String, FieldError> {
        let mut value = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    self.rest = chars.as_str();
                    return Ok(value);
                }
                '\\' => value.push(chars.next().ok_or(FieldError::Syntax)?),
                c => value.push(c),
            }
        }
        Err(FieldError::Syntax)
    }

    fn end_of_element(&mut self) -> Result<(), FieldError> {
        self.skip_spaces();
        let ends = self.rest.is_empty() || self.rest.starts_with(',');
        ends.then_some(()).ok_or(FieldError::Syntax)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
