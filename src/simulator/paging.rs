//! Pages and their tokens. A token holds the last row's key and is sealed to the operation, the
//! parameters and this simulator, so that a changed parameter or a made-up token is refused. Odd
//! pages (empty or short although more follows: aws-api.md §3) come by seed, never by chance.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::settings::Settings;

/// What a page is asked of.
pub(super) struct PageRequest {
    operation: &'static str,
    /// Hash of every parameter but the token.
    parameters: u64,
    /// Rows at most.
    size: usize,
    position: Position,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq)]
struct Position {
    /// Key of the last row that was given.
    after: Option<String>,
    /// Pages that came before.
    pages: u32,
    /// Whether the page before was empty on purpose: two in a row never are.
    after_empty: bool,
}

/// One page of rows.
pub(super) struct Page<T> {
    pub(super) rows: Vec<T>,
    pub(super) next_token: Option<String>,
}

impl PageRequest {
    /// Reads the position out of the token. `size` has been validated.
    pub(super) fn new(
        operation: &'static str,
        input: &Map<String, Value>,
        size: usize,
        seed: u64,
    ) -> Result<PageRequest, Failure> {
        let parameters = hash_of(|hasher| {
            for (name, value) in input.iter().filter(|(name, _)| *name != "NextToken") {
                (name, value.to_string()).hash(hasher);
            }
        });
        let mut request = PageRequest {
            operation,
            parameters,
            size,
            position: Position::default(),
        };
        if let Some(token) = input.get("NextToken").and_then(Value::as_str)
            && !token.is_empty()
        {
            request.position = request
                .open(token, seed)
                .ok_or_else(|| Failure::validation("The NextToken is not valid."))?;
        }
        Ok(request)
    }

    /// Key after which the page begins; `None` at the beginning.
    pub(super) fn after(&self) -> Option<&str> {
        self.position.after.as_deref()
    }

    /// Cuts the page out of rows that begin after `after()`, each with its key, in order of keys.
    pub(super) fn cut<T>(
        &self,
        settings: &Settings,
        rows: impl Iterator<Item = (String, T)>,
    ) -> Page<T> {
        let mut rows = rows.peekable();
        let mut position = Position {
            pages: self.position.pages.saturating_add(1),
            ..self.position.clone()
        };
        let size = match self.oddity(settings) {
            Some(Oddity::Empty) if rows.peek().is_some() => 0,
            Some(Oddity::Short) => self.size.div_ceil(2),
            _ => self.size,
        };
        position.after_empty = size == 0;
        let mut page = Vec::new();
        while page.len() < size
            && let Some((key, row)) = rows.next()
        {
            position.after = Some(key);
            page.push(row);
        }
        let next_token = rows
            .peek()
            .is_some()
            .then(|| self.seal(&position, settings.seed));
        Page {
            rows: page,
            next_token,
        }
    }

    fn oddity(&self, settings: &Settings) -> Option<Oddity> {
        let draw = hash_of(|hasher| {
            (
                settings.seed,
                self.operation,
                self.parameters,
                &self.position.after,
            )
                .hash(hasher);
            self.position.pages.hash(hasher);
        });
        let mut random = fastrand::Rng::with_seed(draw);
        if random.f64() >= settings.odd_page_rate {
            return None;
        }
        let empty = random.bool() && !self.position.after_empty;
        Some(if empty { Oddity::Empty } else { Oddity::Short })
    }

    fn tag(&self, position: &Position, seed: u64) -> u64 {
        hash_of(|hasher| {
            (seed, self.operation, self.parameters).hash(hasher);
            (&position.after, position.pages, position.after_empty).hash(hasher);
        })
    }

    fn seal(&self, position: &Position, seed: u64) -> String {
        let mut bytes = self.tag(position, seed).to_be_bytes().to_vec();
        bytes.extend(position.pages.to_be_bytes());
        bytes.push(u8::from(position.after_empty) | (u8::from(position.after.is_some()) << 1));
        bytes.extend(position.after.as_deref().unwrap_or_default().as_bytes());
        URL_SAFE.encode(bytes)
    }

    fn open(&self, token: &str, seed: u64) -> Option<Position> {
        let bytes = URL_SAFE.decode(token).ok()?;
        let (tag, rest) = bytes.split_first_chunk::<8>()?;
        let (pages, rest) = rest.split_first_chunk::<4>()?;
        let (flags, key) = rest.split_first()?;
        let key = String::from_utf8(key.to_vec()).ok()?;
        let position = Position {
            after: (flags & 2 != 0).then_some(key),
            pages: u32::from_be_bytes(*pages),
            after_empty: flags & 1 != 0,
        };
        (self.tag(&position, seed) == u64::from_be_bytes(*tag)).then_some(position)
    }
}

enum Oddity {
    Empty,
    Short,
}

/// Whether an empty list's member is left out of this reply.
pub(super) fn omits_empty_list(
    settings: &Settings,
    operation: &str,
    input: &Map<String, Value>,
) -> bool {
    let draw = hash_of(|hasher| {
        (settings.seed, operation).hash(hasher);
        Value::Object(input.clone()).to_string().hash(hasher);
    });
    fastrand::Rng::with_seed(draw).f64() < settings.omitted_list_rate
}

fn hash_of(feed: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SEED: u64 = 9;

    fn request(input: &Value, size: usize) -> Result<PageRequest, Failure> {
        let empty = Map::new();
        PageRequest::new(
            "ListThings",
            input.as_object().unwrap_or(&empty),
            size,
            SEED,
        )
    }

    fn page(request: &PageRequest, odd_page_rate: f64, count: u32) -> Page<u32> {
        let settings = Settings {
            seed: SEED,
            odd_page_rate,
            ..Settings::default()
        };
        let after = request.after().map(str::to_owned);
        let rows = (0..count)
            .map(|at| (format!("{at:04}"), at))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        request.cut(&settings, rows)
    }

    fn walk(odd_page_rate: f64, count: u32) -> Vec<usize> {
        let (mut token, mut seen, mut sizes) = (None::<String>, Vec::new(), Vec::new());
        loop {
            let input = json!({"Store": "a", "NextToken": token});
            let page = page(
                &request(&input, 10).expect("a lawful token"),
                odd_page_rate,
                count,
            );
            sizes.push(page.rows.len());
            seen.extend(page.rows);
            assert!(page.next_token.is_none() || page.next_token != token);
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..count).collect::<Vec<_>>());
        sizes
    }

    #[test]
    fn pages_without_oddities_are_full() {
        assert_eq!(walk(0.0, 25), [10, 10, 5]);
        assert_eq!(walk(0.0, 20), [10, 10]);
        assert_eq!(walk(0.0, 0), [0]);
    }

    #[test]
    fn odd_pages_lose_nothing_and_end() {
        let sizes = walk(1.0, 200);
        assert!(sizes.contains(&0), "{sizes:?}");
        assert!(sizes.contains(&5), "{sizes:?}");
        assert!(sizes.windows(2).all(|pair| pair != [0, 0]), "{sizes:?}");
        assert_eq!(sizes, walk(1.0, 200));
        assert_eq!(walk(1.0, 0), [0]);
    }

    #[test]
    fn a_token_is_bound_to_its_question() {
        let first = request(&json!({"Store": "a"}), 10).expect("no token");
        let token = page(&first, 0.0, 25).next_token.expect("more rows");
        assert!(request(&json!({"Store": "a", "NextToken": token}), 10).is_ok());
        assert!(request(&json!({"Store": "b", "NextToken": token}), 10).is_err());
        let same = json!({"Store": "a", "NextToken": token});
        let other = PageRequest::new("ListOthers", same.as_object().expect("map"), 10, SEED);
        assert!(other.is_err());
        let mut flipped = token.clone().into_bytes();
        let last = flipped.len() - 2;
        flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).expect("ASCII");
        for bad in [flipped.as_str(), "AAAA", "garbage!", &token[1..]] {
            let failure = request(&json!({"Store": "a", "NextToken": bad}), 10).err();
            assert_eq!(failure.expect(bad).code, "ValidationException");
        }
    }
}
