//! As much of PostgreSQL's wire protocol, version 3, as our client speaks (manual, chapter "Frontend/Backend
//! Protocol"). Values go in binary form.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// Names of the columns, and rows.
pub type Answer = Result<(Vec<String>, Vec<Vec<Value>>), Refusal>;

/// Why a request is refused.
#[derive(Debug)]
pub struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    /// With an error code of PostgreSQL.
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// A value of one of the types that our requests give.
#[derive(Debug, Clone)]
pub enum Value {
    /// NULL, as a text.
    Null,
    /// NULL, as a float8.
    NullFloat,
    /// A text.
    Text(String),
    /// A bool.
    Bool(bool),
    /// An int4.
    Int4(i32),
    /// An int8.
    Int8(i64),
    /// An oid.
    Oid(u32),
    /// An empty array of texts.
    NoTexts,
}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    fn type_oid(&self) -> i32 {
        match self {
            Self::Null | Self::Text(_) => 25,
            Self::NullFloat => 701,
            Self::Bool(_) => 16,
            Self::Int4(_) => 23,
            Self::Int8(_) => 20,
            Self::Oid(_) => 26,
            Self::NoTexts => 1009,
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Null | Self::NullFloat => return None,
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Bool(value) => vec![u8::from(*value)],
            Self::Int4(number) => number.to_be_bytes().into(),
            Self::Int8(number) => number.to_be_bytes().into(),
            Self::Oid(number) => number.to_be_bytes().into(),
            // No dimensions, no NULLs, of type text.
            Self::NoTexts => [0_i32, 0, 25].iter().flat_map(|number| number.to_be_bytes()).collect(),
        })
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

const SSL_REQUEST: i32 = 80_877_103;
const PROTOCOL_3_0: i32 = 3 << 16;

/// Serves one connection to its end.
pub fn serve(
    mut stream: TcpStream,
    version: &str,
    has_names: bool,
    mut answer: impl FnMut(&str, &[String]) -> Answer,
) -> io::Result<()> {
    let options = loop {
        let packet = read_packet(&mut stream)?;
        match i32::from_be_bytes(packet[..4].try_into().unwrap()) {
            SSL_REQUEST => stream.write_all(b"N")?,
            PROTOCOL_3_0 => break String::from_utf8_lossy(&packet[4..]).into_owned(),
            // A cancel request, which may be ignored.
            _ => return Ok(()),
        }
    };
    if !has_names && options.contains("application_name\0") {
        let text = "unrecognized configuration parameter \"application_name\"";
        return send(&mut stream, b'E', &error("FATAL", &Refusal::new("42704", text)));
    }
    send(&mut stream, b'R', &0_i32.to_be_bytes())?;
    for (name, value) in
        [("server_version", version), ("client_encoding", "UTF8"), ("integer_datetimes", "on")]
    {
        send(&mut stream, b'S', format!("{name}\0{value}\0").as_bytes())?;
    }
    send(&mut stream, b'K', &[0; 8])?;
    send(&mut stream, b'Z', b"I")?;

    let (mut sql, mut bound, mut skipping) = (String::new(), Ok((Vec::new(), Vec::new())), false);
    loop {
        let mut tag = [0];
        stream.read_exact(&mut tag)?;
        let body = read_packet(&mut stream)?;
        match tag[0] {
            b'X' => return Ok(()),
            b'S' => {
                skipping = false;
                send(&mut stream, b'Z', b"I")?;
            }
            _ if skipping => {}
            b'P' => {
                sql = texts(&body)[1].clone();
                send(&mut stream, b'1', b"")?;
            }
            b'B' => {
                bound = answer(&sql, &parameters(&body));
                if let Err(refusal) = &bound {
                    skipping = true;
                    send(&mut stream, b'E', &error("ERROR", refusal))?;
                } else {
                    send(&mut stream, b'2', b"")?;
                }
            }
            b'D' => {
                send(&mut stream, b't', &0_i16.to_be_bytes())?;
                send(&mut stream, b'T', &description(bound.as_ref().unwrap()))?;
            }
            b'E' => {
                for row in &bound.as_ref().unwrap().1 {
                    send(&mut stream, b'D', &data(row))?;
                }
                send(&mut stream, b'C', b"SELECT 1\0")?;
            }
            b'Q' => {
                send(&mut stream, b'C', b"SELECT 1\0")?;
                send(&mut stream, b'Z', b"I")?;
            }
            other => panic!("the client sends a message of type {}", char::from(other)),
        }
    }
}

/// What follows a length, which counts itself.
fn read_packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn send(stream: &mut TcpStream, tag: u8, body: &[u8]) -> io::Result<()> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    stream.write_all(&[&[tag], &length[..], body].concat())
}

/// The texts at the begin of a message.
fn texts(body: &[u8]) -> Vec<String> {
    body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// The parameters of a Bind message with empty names, all of them texts.
fn parameters(body: &[u8]) -> Vec<String> {
    let mut rest = &body[2..];
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken.to_vec()
    };
    let mut number = |size: usize| take(size).iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let formats = number(2);
    for _ in 0..formats {
        number(2);
    }
    let count = number(2);
    let mut parameters = Vec::new();
    for _ in 0..count {
        let length = number(4);
        let bytes: Vec<u8> = (0..length).map(|_| number(1) as u8).collect();
        parameters.push(String::from_utf8(bytes).unwrap());
    }
    parameters
}

fn error(severity: &str, refusal: &Refusal) -> Vec<u8> {
    format!("S{severity}\0C{}\0M{}\0\0", refusal.code, refusal.message).into_bytes()
}

fn description((names, rows): &(Vec<String>, Vec<Vec<Value>>)) -> Vec<u8> {
    let mut body = (names.len() as i16).to_be_bytes().to_vec();
    for (at, name) in names.iter().enumerate() {
        let oid = rows.first().map_or(25, |row| row[at].type_oid());
        body.extend(name.as_bytes());
        // No table and column, the type, any length, no modifier, in binary form.
        body.extend([0, 0, 0, 0, 0, 0, 0]);
        body.extend(oid.to_be_bytes());
        body.extend([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1]);
    }
    body
}

fn data(row: &[Value]) -> Vec<u8> {
    let mut body = (row.len() as i16).to_be_bytes().to_vec();
    for value in row {
        match value.bytes() {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(bytes) => {
                body.extend((bytes.len() as i32).to_be_bytes());
                body.extend(bytes);
            }
        }
    }
    body
}
