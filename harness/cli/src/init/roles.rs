//! Which recorded request is the login, and which others belong to its session. Pure.

use super::recorded::Exchange;

/// The parts that requests play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) login: usize,
    /// Why it is the login.
    pub(super) because: String,
    pub(super) logout: Option<usize>,
    /// The session ends before this one.
    pub(super) end: usize,
}

/// The least that makes a request a login.
const LOGIN_SCORE: i32 = 3;

const PASSWORDS: [&str; 5] = ["password", "passwd", "passwort", "pwd", "passphrase"];
const USERS: [&str; 9] = [
    "user",
    "username",
    "login",
    "email",
    "name",
    "account",
    "user_name",
    "userid",
    "user_id",
];
pub(super) const LOGINS: [&str; 7] = [
    "login",
    "signin",
    "logon",
    "authenticate",
    "authorize",
    "openid",
    "sso",
];
pub(super) const LOGIN_PLACES: [&str; 6] =
    ["session", "sessions", "auth", "token", "tokens", "connect"];
pub(super) const LOGOUTS: [&str; 5] = ["logout", "signout", "logoff", "logoutall", "revoke"];
pub(super) const SIGN_UPS: [&str; 5] = ["register", "signup", "registration", "users", "accounts"];

/// The last part of the path, in lower case, without its ending and what separates its words.
fn last_word(exchange: &Exchange) -> String {
    let path = exchange.place().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let last = last.split('.').next().unwrap_or_default();
    let letters = last.chars().filter(|letter| letter.is_alphanumeric());
    letters.collect::<String>().to_ascii_lowercase()
}

pub(super) fn is_logout(exchange: &Exchange) -> bool {
    let word = last_word(exchange);
    LOGOUTS.iter().any(|known| word.contains(known))
        || exchange.method == "DELETE" && LOGIN_PLACES.contains(&word.as_str())
}

pub(super) fn is_sign_up(exchange: &Exchange) -> bool {
    SIGN_UPS.contains(&last_word(exchange).as_str())
}

pub(super) fn is_password(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "pass" || PASSWORDS.iter().any(|known| name.contains(known))
}

/// Whether a field names a user.
pub(super) fn is_user(name: &str) -> bool {
    USERS.contains(&name.to_ascii_lowercase().as_str())
}

/// The name that the user typed into a login.
pub(super) fn user_of(login: &Exchange) -> Option<String> {
    let fields = login.fields();
    let named = USERS.iter().find_map(|known| {
        let mut fields = fields.iter();
        fields.find(|(name, value)| name.to_ascii_lowercase() == *known && !value.is_empty())
    });
    named.map(|(_, value)| value.clone())
}

/// The cookie that this one's reply set and a later request has.
fn cookie_in_use(exchanges: &[Exchange], at: usize) -> Option<&str> {
    let later = || exchanges[at + 1..].iter().flat_map(|one| &one.cookies);
    let mut sets = exchanges[at].sets.iter();
    let used = sets.find(|cookie| later().any(|sent| sent == *cookie))?;
    Some(&used.0)
}

/// How much speaks for a login, and what first of all.
fn weigh(exchanges: &[Exchange], at: usize) -> (i32, String) {
    let exchange = &exchanges[at];
    if exchange.is_get() || !exchange.went_well() || is_logout(exchange) {
        return (0, String::new());
    }
    let (mut score, mut reasons) = (0, Vec::new());
    let mut count = |counts: bool, points: i32, reason: String| {
        if counts {
            score += points;
            reasons.push(reason);
        }
    };
    let fields = exchange.fields();
    let mut names = fields.iter().map(|(name, _)| name);
    count(
        names.any(|name| is_password(name)),
        4,
        "it sends a password".to_owned(),
    );
    let word = last_word(exchange);
    let is_named =
        LOGINS.iter().any(|known| word.contains(known)) || LOGIN_PLACES.contains(&word.as_str());
    count(is_named, 3, "its path".to_owned());
    let cookie = cookie_in_use(exchanges, at);
    let set = format!("its reply sets the cookie {}", cookie.unwrap_or_default());
    count(cookie.is_some(), 2, set);
    count(
        hands_out_a_token(exchanges, at),
        2,
        "later requests send a token of its reply".to_owned(),
    );
    count(user_of(exchange).is_some(), 1, "it names a user".to_owned());
    if is_sign_up(exchange) {
        score -= 3;
    }
    (score, reasons.join(", "))
}

fn hands_out_a_token(exchanges: &[Exchange], at: usize) -> bool {
    let Some(page) = exchanges[at].page() else {
        return false;
    };
    let later = exchanges[at + 1..].iter();
    let mut tokens = later.filter_map(|one| one.header("authorization")?.split_once(' '));
    tokens.any(|(_, token)| !token.is_empty() && page.contains(token))
}

impl Roles {
    /// Finds the login and the end of its session. `None` if no request looks like a login.
    pub(super) fn find(exchanges: &[Exchange]) -> Option<Self> {
        let mut best: Option<(i32, usize, String)> = None;
        for at in 0..exchanges.len() {
            let (score, reasons) = weigh(exchanges, at);
            if score >= LOGIN_SCORE && best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, at, reasons));
            }
        }
        let (login, because) = match best {
            Some((_, login, because)) => (login, because),
            // Who never logs in has a session by the first cookie.
            None => (0..exchanges.len()).find_map(|at| {
                let cookie = cookie_in_use(exchanges, at)?;
                Some((
                    at,
                    format!("its reply sets the cookie {cookie}, which later requests send"),
                ))
            })?,
        };
        Some(Self::around(exchanges, login, because))
    }

    /// The roles, the login being known.
    pub(super) fn around(exchanges: &[Exchange], login: usize, because: String) -> Self {
        let after = login + 1..exchanges.len();
        let logout = after.clone().find(|at| is_logout(&exchanges[*at]));
        let next_login = after
            .clone()
            .find(|at| !exchanges[login].is_get() && exchanges[*at].is_like(&exchanges[login]));
        let ends = [logout, next_login].into_iter().flatten().min();
        Self {
            login,
            because,
            logout: logout.filter(|logout| ends == Some(*logout)),
            end: ends.unwrap_or(exchanges.len()),
        }
    }
}
