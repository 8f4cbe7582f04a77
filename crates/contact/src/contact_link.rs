//! The contact link: a SecureCall ID with what is needed to call it.

use std::{borrow::Cow, fmt, str::FromStr};

use percent_encoding::percent_decode_str;

use crate::{
    ContactLinkError, MatrixId, NameLabel, SecureCallId, ServerName, invisible::without_invisible,
    link_query::LinkQuery,
};

/// The scheme of the deep link.
const SCHEME: &str = "securecall";
/// What stands where a host would.
const HOST: &str = "contact";

/// How to reach a contact: their ID, where their account lives, and what they would like to be called.
///
/// Read ([`FromStr`]) from
///
/// * the deep link `securecall://contact/<ID>?server=…&mxid=…&name=…`,
/// * the web form `https://<domain>/add/#<ID>?…`: behind `#`, so that the web server never learns whose contact is
///   opened,
/// * the web form's path variant `https://<domain>/add/<ID>?…`, which is never written.
///
/// The domain of a web form only says who hosts the page. Scheme, host and query keys are read in either case, unknown query
/// keys are ignored, a query key that counts must not come twice. Invisible characters do not count, nor does what a chat has
/// taken for a part of the link: punctuation behind it, and letters of another script behind the ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactLink {
    id: SecureCallId,
    query: LinkQuery,
}

impl ContactLink {
    /// Longest link that is read, in bytes.
    pub const MAX_LENGTH: usize = 4096;

    /// The link of the person with `id` whose account is `matrix_id`.
    ///
    /// It names the server unless it is the built-in default domain, and the whole Matrix ID for an ordinary account.
    ///
    /// # Errors
    ///
    /// [`ContactLinkError::AnotherKey`] if `matrix_id` is the self-certifying address of another ID.
    pub fn new(id: SecureCallId, matrix_id: &MatrixId) -> Result<Self, ContactLinkError> {
        let mut query = LinkQuery::default();
        match matrix_id.securecall_id() {
            None => query.matrix_id = Some(matrix_id.clone()),
            Some(_) => {
                check_same_key(&id, Some(matrix_id))?;
                let server = matrix_id.server_name();
                query.server = (*server != ServerName::default_domain()).then(|| server.clone());
            }
        }
        Ok(Self { id, query })
    }

    /// The link of an identity that has no account yet.
    #[must_use]
    pub fn without_account(id: SecureCallId) -> Self {
        Self {
            id,
            query: LinkQuery::default(),
        }
    }

    /// The same link with a suggested name.
    #[must_use]
    pub fn with_name(mut self, name: Option<NameLabel>) -> Self {
        self.query.name = name;
        self
    }

    /// Whose link it is.
    #[must_use]
    pub fn id(&self) -> &SecureCallId {
        &self.id
    }

    /// The server it names, if any.
    #[must_use]
    pub fn server(&self) -> Option<&ServerName> {
        self.query.server.as_ref()
    }

    /// The name it suggests, if any. Nobody vouches for it.
    #[must_use]
    pub fn name(&self) -> Option<&NameLabel> {
        self.query.name.as_ref()
    }

    /// The Matrix ID to call: the one it names, else the self-certifying address on the server it names, else on
    /// `default_domain`.
    #[must_use]
    pub fn matrix_id(&self, default_domain: &ServerName) -> MatrixId {
        match &self.query.matrix_id {
            Some(matrix_id) => matrix_id.clone(),
            None => MatrixId::of_securecall_id(&self.id, self.server().unwrap_or(default_domain)),
        }
    }

    /// The web form, with a page hosted at `page_host`.
    #[must_use]
    pub fn https(&self, page_host: &ServerName) -> String {
        format!("https://{page_host}/add/#{}{}", self.id, self.query)
    }
}

impl fmt::Display for ContactLink {
    /// The deep link.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}://{HOST}/{}{}", self.id, self.query)
    }
}

impl FromStr for ContactLink {
    type Err = ContactLinkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > Self::MAX_LENGTH {
            return Err(ContactLinkError::TooLong { found: text.len() });
        }
        let text = without_invisible(text);
        let (scheme, rest) = text.split_once("://").ok_or(ContactLinkError::NoScheme)?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (id, query) = if scheme.eq_ignore_ascii_case(SCHEME) {
            deep_form(authority, rest)?
        } else if scheme.eq_ignore_ascii_case("https") {
            authority
                .parse::<ServerName>()
                .map_err(ContactLinkError::PageHost)?;
            web_form(rest)?
        } else {
            return Err(ContactLinkError::Scheme);
        };
        if id.is_empty() {
            return Err(ContactLinkError::NoId);
        }
        let id: SecureCallId = without_foreign_text(&id).parse()?;
        let query: LinkQuery = query.parse()?;
        check_same_key(&id, query.matrix_id.as_ref())?;
        Ok(Self { id, query })
    }
}

/// Refuses a self-certifying address of another key than `id`.
fn check_same_key(id: &SecureCallId, matrix_id: Option<&MatrixId>) -> Result<(), ContactLinkError> {
    match matrix_id.and_then(MatrixId::securecall_id) {
        Some(other) if other != id => Err(ContactLinkError::AnotherKey),
        _ => Ok(()),
    }
}

/// ID and query of what follows `securecall:`.
fn deep_form<'a>(authority: &str, rest: &'a str) -> Result<Parts<'a>, ContactLinkError> {
    if !authority.eq_ignore_ascii_case(HOST) {
        return Err(ContactLinkError::Host);
    }
    split_query(rest.strip_prefix('/').unwrap_or(rest))
}

/// ID and query of what follows `https://<host>`.
fn web_form(rest: &str) -> Result<Parts<'_>, ContactLinkError> {
    let (page, fragment) = match rest.split_once('#') {
        Some((page, fragment)) => (page, Some(fragment)),
        None => split_encoded_fragment(rest),
    };
    // A query before the fragment belongs to the page: link shorteners and trackers put theirs there.
    let path = page.split_once('?').map_or(page, |(path, _)| path);
    let in_path = path.strip_prefix("/add").ok_or(ContactLinkError::Path)?;
    match (in_path, fragment) {
        ("" | "/", Some(fragment)) => split_query(fragment),
        ("" | "/", None) => Err(ContactLinkError::NoId),
        (_, Some(_)) => Err(ContactLinkError::Junk),
        (_, None) => split_query(page.strip_prefix("/add/").ok_or(ContactLinkError::Path)?),
    }
}

/// The same where a gateway has written the number sign as `%23`.
fn split_encoded_fragment(rest: &str) -> (&str, Option<&str>) {
    ["/add/", "/add"]
        .iter()
        .find_map(|page| {
            let fragment = rest.strip_prefix(page)?.strip_prefix("%23")?;
            Some((*page, Some(fragment)))
        })
        .unwrap_or((rest, None))
}

/// An ID and a query, neither read yet.
type Parts<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Splits `<ID>?<query>`; one slash behind the ID is allowed, as web servers like to add it.
fn split_query(text: &str) -> Result<Parts<'_>, ContactLinkError> {
    let (id, query) = text.split_once('?').unwrap_or((text, ""));
    let decoded = percent_decode_str(id).decode_utf8_lossy();
    let (id, query): Parts<'_> = if decoded.contains('?') {
        // A gateway has encoded the question mark, and then all that follows it, too.
        let whole = percent_decode_str(text).decode_utf8_lossy();
        let (id, query) = whole.split_once('?').unwrap_or((&whole, ""));
        (Cow::Owned(id.to_owned()), Cow::Owned(query.to_owned()))
    } else {
        (decoded, Cow::Borrowed(query))
    };
    let id = without_invisible(&id);
    let id = id.strip_suffix('/').unwrap_or(&id);
    if id.contains(['/', '#', '&']) || query.contains('#') || id.contains(char::is_whitespace) {
        return Err(ContactLinkError::Junk);
    }
    Ok((Cow::Owned(id.to_owned()), query))
}

/// An ID without the letters of another script, or the punctuation of any, that follow it at once. The checksum says that it was
/// whole.
fn without_foreign_text(id: &str) -> &str {
    let Some((whole, behind)) = id.split_at_checked(SecureCallId::LENGTH) else {
        return id;
    };
    let is_apart =
        behind.starts_with(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '%' | '='));
    match whole.is_ascii() && is_apart {
        true => whole,
        false => id,
    }
}
