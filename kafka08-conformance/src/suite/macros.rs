//! Shorthands: `@name(argument, argument)` is replaced by the text of their definition.

use std::collections::BTreeMap;

/// Definitions by name. In a definition, `%1` to `%9` stand for the arguments.
#[derive(Debug, Default)]
pub(super) struct Macros(BTreeMap<String, String>);

/// How deep definitions may use each other, so that one that uses itself is an error.
const DEEPEST: usize = 32;

impl Macros {
    /// Adds the definition of `name(…) body`. The names of the parameters are for the reader only.
    pub(super) fn define(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("not a definition: {text}");
        let (name, rest) = text.split_once('(').ok_or_else(wrong)?;
        let (_, body) = rest.split_once(')').ok_or_else(wrong)?;
        match self.0.insert(name.trim().to_owned(), body.trim().to_owned()) {
            None => Ok(()),
            Some(_) => Err(format!("defined twice: {name}")),
        }
    }

    /// Replaces all shorthands in a text.
    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        self.expand_within(text, DEEPEST)
    }

    /// Replaces the shorthands of a text, and those in their definitions.
    fn expand_within(&self, text: &str, depth: usize) -> Result<String, String> {
        let mut rest = text;
        let mut expanded = String::new();
        // No text of a check holds this sign otherwise, so quotes need not be looked at.
        while let Some((before, call)) = rest.split_once('@') {
            let depth = depth.checked_sub(1).ok_or_else(|| format!("definitions too deep: {text}"))?;
            let (name, behind) = call.split_once('(').ok_or_else(|| format!("no arguments: @{call}"))?;
            let body = self.0.get(name).ok_or_else(|| format!("not defined: @{name}"))?;
            let (arguments, behind) = arguments(behind)?;
            // The text of an argument may hold shorthands itself: they are expanded with the definition around them.
            let filled = (1..)
                .zip(&arguments)
                .fold(body.clone(), |body, (nth, argument)| body.replace(&format!("%{nth}"), argument));
            if filled.contains('%') {
                return Err(format!("too few arguments: @{name}"));
            }
            expanded.push_str(before);
            expanded.push_str(&self.expand_within(&filled, depth)?);
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Reads arguments up to the closing bracket, and returns what follows it.
fn arguments(text: &str) -> Result<(Vec<String>, &str), String> {
    let mut depth = 0usize;
    // Commas and brackets inside quotes belong to a text.
    let mut is_quoted = false;
    let mut all = vec![String::new()];
    for (at, character) in text.char_indices() {
        is_quoted ^= character == '"';
        match character {
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted && depth == 0 => {
                let behind = text.get(at + 1..).unwrap_or_default();
                return Ok((all.iter().map(|argument| argument.trim().to_owned()).collect(), behind));
            }
            ')' if !is_quoted => depth -= 1,
            ',' if !is_quoted && depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = all.last_mut() {
            last.push(character);
        }
    }
    Err(format!("the bracket is not closed: ({text}"))
}
