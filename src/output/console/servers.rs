use crate::view::Listed;

/// One line per server: `main - Main database (inactive)`.
pub fn servers<'a>(servers: impl Iterator<Item = &'a Listed<'a>>, minimal: bool) -> String {
    servers.map(|server| line(server, minimal) + "\n").collect()
}

fn line(server: &Listed<'_>, minimal: bool) -> String {
    let state = server.state();
    match server.description.unwrap_or_default() {
        _ if minimal => server.name.to_owned(),
        "" if state.is_empty() => server.name.to_owned(),
        description => format!("{} - {description}{state}", server.name),
    }
}

/// The title of a server's part of an answer: `Server main (inactive):`.
pub fn title(name: &str, active: bool, disabled: bool) -> String {
    match (active, disabled) {
        (false, _) => format!("Server {name} (inactive):\n"),
        (true, true) => format!("Server {name} (WARNING: disabled):\n"),
        (true, false) => format!("Server {name}:\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_follows_the_description_and_stands_alone_without_one() {
        let server =
            Listed { name: "ina", description: None, active: false, disabled: false, passive: false };
        let main = Listed { name: "main", description: Some("Main DB"), active: true, ..server.clone() };
        let bare = Listed { name: "x", active: true, ..server.clone() };
        let all = [server, main, bare];
        assert_eq!(servers(all.iter(), false), "ina -  (inactive)\nmain - Main DB\nx\n");
        assert_eq!(servers(all.iter(), true), "ina\nmain\nx\n");
    }
}
