//! What nginx writes down of requests: by our settings, and by what else it reads for the same names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use securecall_daemon::Failure;

use super::finding::{Finding, Place};
use super::settings::read_text;

/// What nginx reads first, and reads the rest from.
pub(super) const MAIN: &str = "/etc/nginx/nginx.conf";

/// More than any nginx reads that somebody looks after.
const MAX_FILES: usize = 1_000;
const MAX_DEPTH: usize = 16;

/// What settings consist of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Directive(Vec<String>),
    Open(Vec<String>),
    Close,
}

/// Looks at settings; where they are a part of what `main` reads, also at its other servers of the same names.
pub(super) fn check(path: &Path, text: &str, main: &Path) -> Result<Vec<Finding>, Failure> {
    let own = pieces(text);
    let is_whole = own.iter().any(
        |piece| matches!(piece, Piece::Open(words) if words.first().is_some_and(|it| it == "http")),
    );
    if is_whole {
        let mut reader = Reader::new(path, None);
        reader.take(path, own, 0)?;
        return Ok(findings(&reader.pieces, None));
    }
    let mut found = findings(&own, None);
    if main.is_file() {
        let names = server_names(&own);
        let mut reader = Reader::new(main, fs::canonicalize(path).ok());
        reader.take(main, pieces(&read_text(main)?), 0)?;
        let others = findings(&reader.pieces, Some(&names));
        found.extend(others.into_iter().map(|mut finding| {
            finding.found = format!("{}, in another site of the same name", finding.found);
            finding
        }));
    }
    Ok(found)
}

/// Cuts a text, without its comments.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (_, '\\') => {
                let word = word.get_or_insert_default();
                word.push(character);
                word.extend(characters.next());
            }
            (Some(end), _) if end == character => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') if word.is_none() => {
                quote = Some(character);
                word = Some(String::new());
            }
            (None, '#') if word.is_none() => {
                while characters.next_if(|it| *it != '\n').is_some() {}
            }
            // A variable's name, in braces.
            (None, '{') if word.as_ref().is_some_and(|it| it.ends_with('$')) => {
                word.get_or_insert_default().push(character);
                for inner in characters.by_ref() {
                    word.get_or_insert_default().push(inner);
                    if inner == '}' {
                        break;
                    }
                }
            }
            (None, ';' | '{' | '}') => {
                words.extend(word.take());
                let whole = std::mem::take(&mut words);
                match character {
                    ';' => pieces.push(Piece::Directive(whole)),
                    '{' => pieces.push(Piece::Open(whole)),
                    _ => pieces.push(Piece::Close),
                }
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    pieces
}

/// Follows `include`.
struct Reader {
    folder: PathBuf,
    /// What is looked at by itself.
    but: Option<PathBuf>,
    files: usize,
    pieces: Vec<Piece>,
}

impl Reader {
    /// Names of files are taken from the folder of the first.
    fn new(main: &Path, but: Option<PathBuf>) -> Self {
        Self {
            folder: main.parent().unwrap_or(Path::new("/")).to_owned(),
            but,
            files: 0,
            pieces: Vec::new(),
        }
    }

    fn take(&mut self, path: &Path, pieces: Vec<Piece>, depth: usize) -> Result<(), Failure> {
        self.files += 1;
        if depth > MAX_DEPTH || self.files > MAX_FILES {
            return Err(Failure::usage(format!(
                "{}: includes too much, or itself",
                path.display()
            )));
        }
        for piece in pieces {
            match &piece {
                Piece::Directive(words) if words.first().is_some_and(|it| it == "include") => {
                    let pattern = words.get(1).map(String::as_str).unwrap_or_default();
                    for path in matching(&self.folder.join(pattern)) {
                        if self.but.is_some() && fs::canonicalize(&path).ok() == self.but {
                            continue;
                        }
                        let inner = self::pieces(&read_text(&path)?);
                        self.take(&path, inner, depth + 1)?;
                    }
                }
                _ => self.pieces.push(piece),
            }
        }
        Ok(())
    }
}

/// The files of a name that may hold `*` and `?`, in the order of their names. One without them is there, or it is a fault to say.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    let mut has_stars = false;
    for component in pattern.components() {
        let part = component.as_os_str().to_string_lossy();
        if !part.contains(['*', '?']) {
            for path in &mut found {
                path.push(component);
            }
            continue;
        }
        has_stars = true;
        let mut next = Vec::new();
        for folder in found {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name());
            let mut names: Vec<_> = names
                .filter(|name| fits(part.as_bytes(), name.as_encoded_bytes()))
                .collect();
            names.sort();
            next.extend(names.into_iter().map(|name| folder.join(name)));
        }
        found = next;
    }
    if has_stars {
        found.retain(|path| path.is_file());
    }
    found
}

/// As a shell's patterns: a star at the beginning does not find names that begin with a dot.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let is_hidden = name.first() == Some(&b'.') && pattern.first() != Some(&b'.');
    !is_hidden && fits_anywhere(pattern, name)
}

fn fits_anywhere(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            (0..=name.len()).any(|at| fits_anywhere(rest, name.get(at..).unwrap_or_default()))
        }
        ([b'?', rest @ ..], [_, others @ ..]) => fits_anywhere(rest, others),
        ([one, rest @ ..], [other, others @ ..]) => one == other && fits_anywhere(rest, others),
        _ => false,
    }
}

/// Of all servers.
fn server_names(pieces: &[Piece]) -> BTreeSet<String> {
    let of = |piece: &Piece| match piece {
        Piece::Directive(words) => match words.as_slice() {
            [first, names @ ..] if first == "server_name" => names.to_vec(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    pieces.iter().flat_map(of).collect()
}

/// What holds in a block, and what was said in it.
#[derive(Clone, Debug, Default)]
struct Block {
    is_server: bool,
    in_server: bool,
    /// Where requests are written down. `None`: nothing was said, which is a file.
    access: Option<String>,
    errors_quiet: bool,
    /// Of the server.
    names: Vec<String>,
    /// Where a server, or a part of it, says that requests are written down.
    logs: Vec<String>,
}

/// nginx logs each request unless a block, or one around it, says otherwise. Of servers that have one of these names, or of all.
fn findings(pieces: &[Piece], names: Option<&BTreeSet<String>>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut open = vec![Block::default()];
    for piece in pieces {
        let Some(innermost) = open.last_mut() else {
            break;
        };
        match piece {
            Piece::Directive(words) => said(innermost, words),
            Piece::Open(words) => {
                let is_server = words.first().is_some_and(|it| it == "server");
                let inner = Block {
                    is_server,
                    in_server: is_server || innermost.in_server,
                    names: Vec::new(),
                    logs: Vec::new(),
                    ..innermost.clone()
                };
                open.push(inner);
            }
            Piece::Close if open.len() > 1 => {
                let Some(block) = open.pop() else { break };
                if block.is_server {
                    let is_wanted =
                        names.is_none_or(|names| block.names.iter().any(|it| names.contains(it)));
                    if is_wanted {
                        found.extend(of_server(&block));
                    }
                } else if let Some(around) = open.last_mut() {
                    around.logs.extend(block.logs);
                }
            }
            // Braces that do not fit.
            Piece::Close => {}
        }
    }
    found
}

fn said(block: &mut Block, words: &[String]) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["access_log", place, ..] => {
            if block.in_server && !is_nowhere(place) {
                block.logs.push((*place).to_owned());
            }
            block.access = Some((*place).to_owned());
        }
        ["error_log", place, level @ ..] => {
            block.errors_quiet = *place == "/dev/null" || level.first() == Some(&"emerg");
        }
        ["server_name", names @ ..] => {
            block
                .names
                .extend(names.iter().map(|&name| name.to_owned()));
        }
        _ => {}
    }
}

fn is_nowhere(place: &str) -> bool {
    matches!(place, "off" | "/dev/null")
}

fn of_server(server: &Block) -> Vec<Finding> {
    let mut found: Vec<Finding> = server
        .logs
        .iter()
        .map(|place| access_log(format!("to {place}")))
        .collect();
    match &server.access {
        None => found.push(access_log(
            "not set, which is a file in /var/log/nginx".to_owned(),
        )),
        // Said around it.
        Some(place) if !is_nowhere(place) && !server.logs.contains(place) => {
            found.push(access_log(format!("to {place}")));
        }
        Some(_) => {}
    }
    if !server.errors_quiet {
        found.push(Place::Proxy.finding(
            "error_log",
            "says more than emerg".to_owned(),
            "the address of whoever asked when something went wrong, and for what",
            "error_log stderr emerg;",
        ));
    }
    found
}

fn access_log(found: String) -> Finding {
    Place::Proxy.finding(
        "access_log",
        found,
        "each request: address, time, path, program; who was called is among it",
        "access_log off;",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = include_str!("../../templates/nginx/securecall.conf");

    /// As Debian 12 has it, as far as it matters here.
    const DEBIANS: &str = "user www-data;\nerror_log /var/log/nginx/error.log;\ninclude modules-enabled/*.conf;\nevents { worker_connections 768; }\n\
         http {\n\tinclude mime.types;\n\taccess_log /var/log/nginx/access.log;\n\tinclude conf.d/*.conf;\n\tinclude sites-enabled/*;\n}\n";

    fn names(text: &str) -> Vec<String> {
        let found = findings(&pieces(text), None);
        found.into_iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn each_server_must_be_quiet() {
        assert!(names(OURS).is_empty());
        let at = OURS
            .match_indices("    access_log off;\n")
            .map(|(at, _)| at);
        let at: Vec<usize> = at.collect();
        assert_eq!(at.len(), 3);
        for at in at {
            let mut text = OURS.to_owned();
            text.replace_range(at..at + "    access_log off;\n".len(), "");
            assert_eq!(names(&text), ["access_log"]);
        }
        assert_eq!(
            names(&OURS.replacen("access_log off;", "access_log /x;", 1)),
            ["access_log"]
        );
        assert_eq!(
            names(&OURS.replacen("stderr emerg", "stderr warn", 1)),
            ["error_log"]
        );
        // A part of it that is not.
        let text = OURS.replacen("location / {", "location / { access_log /x main;", 1);
        assert_eq!(names(&text), ["access_log"]);
    }

    #[test]
    fn what_is_said_around_servers_holds_in_them() {
        let text = "http {\n  access_log off;\n  error_log /dev/null;\n  server {\n    listen 80;\n  }\n}\n";
        assert!(names(text).is_empty());
        assert_eq!(names(&text.replace(" off", " /x")), ["access_log"]);
        assert_eq!(names("server {listen 80;}"), ["access_log", "error_log"]);
        let quiet = "http { access_log /x; server { access_log off; error_log /e emerg; } }";
        assert!(names(quiet).is_empty());
        // Braces that do not fit are no reason to fall over.
        assert!(names("}\n}\nlisten 80;\n").is_empty());
    }

    #[test]
    fn words_are_cut_as_nginx_cuts_them() {
        let text = "a \"b; {\" 'c}' d${e}f; # g;\nh\\;i {}";
        let words = |text: &[&str]| text.iter().map(|&it| it.to_owned()).collect();
        assert_eq!(
            pieces(text),
            [
                Piece::Directive(words(&["a", "b; {", "c}", "d${e}f"])),
                Piece::Open(words(&["h\\;i"])),
                Piece::Close,
            ]
        );
        for (pattern, name, is_one) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            (".*", ".conf", true),
            ("*.conf", ".a.conf", false),
            ("*", "a.b", true),
            ("a?c*", "abcd", true),
            ("a?c", "ac", false),
            ("*.conf", "a.conf.bak", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                is_one,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn another_site_of_the_same_name_that_logs_is_found_and_of_other_names_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["conf.d", "sites-enabled"] {
            fs::create_dir(at(name)).unwrap();
        }
        let ours = OURS.replace("<domain>", "example.org");
        fs::write(at("ours.conf"), &ours).unwrap();
        std::os::unix::fs::symlink(at("ours.conf"), at("conf.d/securecall.conf")).unwrap();
        fs::write(at("mime.types"), "types { text/html html; }").unwrap();
        fs::write(at("nginx.conf"), DEBIANS).unwrap();
        let found = || {
            let found = check(&at("ours.conf"), &ours, &at("nginx.conf"));
            found.map(|found| found.into_iter().map(|it| it.found).collect::<Vec<_>>())
        };
        assert_eq!(found().unwrap(), Vec::<String>::new());
        let site = |name: &str| format!("server {{ listen 8448 ssl; server_name {name}; }}");
        fs::write(at("sites-enabled/blog"), site("blog.example.org")).unwrap();
        assert_eq!(found().unwrap(), Vec::<String>::new());
        fs::write(at("sites-enabled/old"), site("x matrix.example.org")).unwrap();
        let said = found().unwrap();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].contains("/var/log/nginx/access.log, in another site"),
            "{said:?}"
        );
        // The whole, when it is what was named: with what it includes.
        let whole = check(&at("nginx.conf"), DEBIANS, Path::new("/nowhere")).unwrap();
        assert_eq!(whole.len(), 4, "{whole:?}");

        fs::write(at("sites-enabled/old"), "include sites-enabled/old;").unwrap();
        assert!(found().unwrap_err().message.contains("includes too much"));
        fs::write(at("sites-enabled/old"), "include nowhere.conf;").unwrap();
        assert!(found().is_err());
        // Where there is no nginx, our part is all that there is.
        let alone = check(&at("ours.conf"), &ours, Path::new("/nowhere")).unwrap();
        assert!(alone.is_empty());
    }
}
