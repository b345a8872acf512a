//! Reads literals: by recursive descent over the characters.

use std::iter::Peekable;
use std::str::Chars;

use super::{Literal, LiteralError};

/// Nested deeper than anything Barman writes, and far from the end of the stack.
const MAX_DEPTH: usize = 64;

type Parsed<T = Literal> = Result<T, LiteralError>;

pub(super) fn parse(text: &str) -> Parsed {
    let mut parser = Parser { chars: text.chars().peekable(), at: 0, depth: 0 };
    let literal = parser.value()?;
    parser.skip_blanks();
    match parser.peek() {
        None => Ok(literal),
        Some(_) => parser.expected("the end"),
    }
}

struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        self.chars.peek().copied()
    }

    fn bump(&mut self) -> Option<char> {
        self.at += 1;
        self.chars.next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|c| wanted(*c)) {
            taken.push(c);
            self.bump();
        }
        taken
    }

    fn skip_blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c'));
    }

    fn expected<T>(&self, expected: &'static str) -> Parsed<T> {
        Err(LiteralError { expected, at: self.at + 1 })
    }

    fn value(&mut self) -> Parsed {
        self.skip_blanks();
        match self.peek() {
            Some('\'' | '"') => self.string().map(Literal::Str),
            Some('(') => self.nested(Self::group),
            Some('[') => self.nested(|p| Ok(Literal::List(p.items(']')?.0))),
            Some('{') => self.nested(|p| p.pairs().map(Literal::Dict)),
            Some('-' | '+' | '.' | '0'..='9') => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.word(),
            _ => self.expected("a value"),
        }
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == MAX_DEPTH {
            return self.expected("less nesting");
        }
        self.bump();
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    /// The elements up to `close`, and whether the last one has a comma behind it.
    fn items(&mut self, close: char) -> Parsed<(Vec<Literal>, bool)> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.skip_blanks();
            if self.take(close) {
                return Ok((items, comma));
            }
            if !items.is_empty() && !comma {
                return self.expected("a comma or the closing bracket");
            }
            items.push(self.value()?);
            self.skip_blanks();
            comma = self.take(',');
        }
    }

    /// What stands between round brackets: a tuple, or one value that they only group.
    fn group(&mut self) -> Parsed {
        let (mut items, comma) = self.items(')')?;
        match items.pop() {
            Some(only) if items.is_empty() && !comma => Ok(only),
            last => {
                items.extend(last);
                Ok(Literal::Tuple(items))
            }
        }
    }

    fn pairs(&mut self) -> Parsed<Vec<(Literal, Literal)>> {
        let mut pairs = Vec::new();
        let mut comma = true;
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Ok(pairs);
            }
            if !comma {
                return self.expected("a comma or the closing bracket");
            }
            let key = self.value()?;
            self.skip_blanks();
            if !self.take(':') {
                return self.expected("a colon");
            }
            pairs.push((key, self.value()?));
            self.skip_blanks();
            comma = self.take(',');
        }
    }

    /// A name with a meaning, or the `u` that Python 2 put before a text.
    fn word(&mut self) -> Parsed {
        let word = self.take_while(|c| c.is_ascii_alphanumeric());
        match word.as_str() {
            "None" => Ok(Literal::None),
            "True" => Ok(Literal::Bool(true)),
            "False" => Ok(Literal::Bool(false)),
            "u" | "U" if matches!(self.peek(), Some('\'' | '"')) => self.string().map(Literal::Str),
            _ => self.expected("None, True, False or a text before here"),
        }
    }

    /// A number; the `L` that Python 2 put behind long ones is passed over.
    fn number(&mut self) -> Parsed {
        let sign = if matches!(self.peek(), Some('-' | '+')) { self.bump() } else { None };
        let mut text = String::from(if sign == Some('-') { "-" } else { "" });
        text += &self.take_while(|c| c.is_ascii_digit());
        let mut whole = true;
        if self.take('.') {
            whole = false;
            text.push('.');
            text += &self.take_while(|c| c.is_ascii_digit());
        }
        if self.take('e') || self.take('E') {
            whole = false;
            text.push('e');
            text.extend(self.peek().filter(|c| matches!(c, '-' | '+')).and_then(|_| self.bump()));
            text += &self.take_while(|c| c.is_ascii_digit());
        }
        let number = if whole {
            self.take('L');
            text.parse().ok().map(Literal::Int)
        } else {
            text.parse().ok().map(Literal::Float)
        };
        number.map_or_else(|| self.expected("a number before here"), Ok)
    }

    fn string(&mut self) -> Parsed<String> {
        let quote = self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None | Some('\n') => return self.expected("a closing quote"),
                end if end == quote => return Ok(text),
                Some('\\') => self.escape(&mut text)?,
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Parsed<()> {
        let c = match self.bump() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('a') => '\x07',
            Some('b') => '\x08',
            Some('f') => '\x0c',
            Some('v') => '\x0b',
            Some(c @ ('\\' | '\'' | '"')) => c,
            Some('x') => self.code_point(2)?,
            Some('u') => self.code_point(4)?,
            Some('U') => self.code_point(8)?,
            Some(c @ '0'..='7') => self.octal(c)?,
            Some(other) => {
                // Python leaves an escape that it does not know as it stands.
                text.push('\\');
                other
            }
            None => return self.expected("an escape"),
        };
        text.push(c);
        Ok(())
    }

    /// Exactly `digits` hexadecimal digits. Half of a surrogate pair is no character, and refused.
    fn code_point(&mut self, digits: usize) -> Parsed<char> {
        let hex: String = (0..digits).map_while(|_| self.bump()).collect();
        let valid = hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let code = valid.then(|| u32::from_str_radix(&hex, 16).ok()).flatten();
        code.and_then(char::from_u32).map_or_else(|| self.expected("the code of a character before here"), Ok)
    }

    /// Up to three octal digits, of which `first` was read.
    fn octal(&mut self, first: char) -> Parsed<char> {
        let mut code = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
            self.bump();
            code = code * 8 + digit;
        }
        char::from_u32(code).map_or_else(|| self.expected("the code of a character before here"), Ok)
    }
}
