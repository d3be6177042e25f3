//! What commands read: files, standard input, and tokens, which are better not given as arguments.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::complaint::Complaint;

/// The most that is read of any input: keys and tokens are a few kilobytes, a payload may be more.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A file, or standard input where `-` is written for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl FromStr for Input {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(PathBuf::from(text)) })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Input {
    /// Reads all of it. It may hold a secret, so the memory is wiped.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Complaint> {
        let cannot = |error: std::io::Error| Complaint::unusable(format!("cannot read {self}")).at(error);
        match self {
            Self::Stdin => read_stdin()?.map_err(cannot),
            Self::File(path) => File::open(path).and_then(read_all).map_err(cannot),
        }
    }

    /// Reads it line by line, however long it is.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead + Send>, Complaint> {
        match self {
            Self::Stdin => {
                take_stdin()?;
                Ok(Box::new(BufReader::new(std::io::stdin())))
            }
            Self::File(path) => {
                let file = File::open(path);
                let file =
                    file.map_err(|error| Complaint::unusable(format!("cannot read {self}")).at(error))?;
                Ok(Box::new(BufReader::new(file)))
            }
        }
    }

    /// Reads all of it as text.
    pub(crate) fn read_text(&self) -> Result<Zeroizing<String>, Complaint> {
        let bytes = self.read()?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            Complaint::unusable(format!("{self} is not text"))
                .at(format_args!("byte {} is not UTF-8", error.valid_up_to()))
        })?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn read_stdin() -> Result<std::io::Result<Zeroizing<Vec<u8>>>, Complaint> {
    take_stdin()?;
    Ok(read_all(std::io::stdin().lock()))
}

fn take_stdin() -> Result<(), Complaint> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Complaint::unusable("standard input can be read once, and two options ask for it")
            .try_this("put one of the two into a file"));
    }
    Ok(())
}

fn read_all(from: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("there are more than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Where a token comes from.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct TokenInput {
    /// The token, which then stands in the shell's history, or `-` to read it from standard input
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
    /// A file that holds the token, which keeps it out of the shell's history
    #[arg(long, value_name = "FILE")]
    token_file: Option<Input>,
}

impl TokenInput {
    /// The token without the line ending that a file has. People on a terminal are told what an argument
    /// leaves behind.
    pub(crate) fn read(&self) -> Result<Zeroizing<String>, Complaint> {
        let text = match (&self.token, &self.token_file) {
            (Some(token), _) if token == "-" => Input::Stdin.read_text()?,
            (Some(token), _) => {
                if std::io::stderr().is_terminal() {
                    anstream::eprintln!(
                        "note: the token is in your shell's history now; `--token-file FILE` and `-` keep it out"
                    );
                }
                Zeroizing::new(token.clone())
            }
            (None, Some(file)) => file.read_text()?,
            (None, None) => return Err(Complaint::unusable("no token was given")),
        };
        let token = text.strip_suffix('\n').unwrap_or(&text);
        let token = token.strip_suffix('\r').unwrap_or(token);
        if token.trim().is_empty() {
            return Err(Complaint::unusable("there is no token in what was given"));
        }
        Ok(Zeroizing::new(token.to_owned()))
    }
}
