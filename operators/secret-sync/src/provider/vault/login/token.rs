//! A token, how long it lives, and when it is renewed.
use std::time::Duration;

use tokio::time::Instant;

/// Renewals are not closer to each other, whatever the server grants.
pub(super) const SOONEST: Duration = Duration::from_secs(1);
/// Longer lives are as good as this one, and sums with it do not overflow.
const LONGEST: u64 = 10 * 365 * 24 * 3600;

/// How long a token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider::vault) enum Life {
    /// Nobody has asked yet: a token that was given to us.
    Unknown,
    /// It does not end.
    Endless,
    /// It ends so long after it was granted.
    For { time: Duration, renewable: bool },
}

impl Life {
    /// From the server's seconds, where 0 is endless.
    pub(super) fn of(seconds: u64, renewable: bool) -> Self {
        if seconds == 0 {
            return Self::Endless;
        }
        let time = Duration::from_secs(seconds.min(LONGEST));
        Self::For { time, renewable }
    }
}

/// What can be done at the end of a token's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Renewable,
    Fixed,
}

/// A token. Never printed.
pub(in crate::provider::vault) struct Token {
    /// The token itself: a valid header.
    pub(in crate::provider::vault) secret: String,
    pub(super) life: Life,
    /// When the login was. Policies are of this time.
    since: Instant,
    /// When its life was last granted.
    granted: Instant,
}

impl Token {
    /// A token that was given to us.
    pub(super) fn given(secret: String) -> Self {
        Self::new(secret, Life::Unknown)
    }

    pub(super) fn new(secret: String, life: Life) -> Self {
        let now = Instant::now();
        Self {
            secret,
            life,
            since: now,
            granted: now,
        }
    }

    /// The same token with a life that begins now.
    pub(super) fn with_life(&self, life: Life) -> Self {
        Self {
            secret: self.secret.clone(),
            life,
            since: self.since,
            granted: Instant::now(),
        }
    }

    /// The time since the login.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether both are of one login.
    pub(super) fn is_same_login(&self, other: &Self) -> bool {
        self.secret == other.secret
    }

    pub(super) fn kind(&self) -> TokenKind {
        match self.life {
            Life::For { renewable: true, .. } => TokenKind::Renewable,
            _ => TokenKind::Fixed,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.life, Life::For { time, .. } if self.granted.elapsed() >= time)
    }

    /// Whether a renewal gave much less than the last one.
    pub(super) fn is_shortened(&self, before: &Self) -> bool {
        match (self.life, before.life) {
            (Life::For { time: now, .. }, Life::For { time: before, .. }) => now < before / 2,
            _ => false,
        }
    }

    /// When it is due: at two thirds if it can be renewed, at four fifths if only a new login helps.
    pub(super) fn due(&self, can_log_in: bool) -> Due {
        let Life::For { time, renewable } = self.life else {
            return Due::Never;
        };
        let due = match (renewable, can_log_in) {
            (true, _) => time / 3 * 2,
            (false, true) => time / 5 * 4,
            (false, false) => return Due::Never,
        };
        match due.max(SOONEST).saturating_sub(self.granted.elapsed()) {
            Duration::ZERO => Due::Now,
            wait => Due::In(wait),
        }
    }
}

/// When something about a token is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    In(Duration),
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(seconds: u64, renewable: bool) -> Token {
        Token::new("hunter2".to_owned(), Life::of(seconds, renewable))
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewable_token_is_due_at_two_thirds_and_another_at_four_fifths() {
        for (seconds, renewable, can_log_in, due) in [
            (3600, true, true, Due::In(Duration::from_mins(40))),
            (3600, true, false, Due::In(Duration::from_mins(40))),
            (3600, false, true, Due::In(Duration::from_mins(48))),
            (3600, false, false, Due::Never),
            (1, true, true, Due::In(SOONEST)),
            (0, true, true, Due::Never),
            (u64::MAX, true, true, Due::In(Duration::from_secs(LONGEST / 3 * 2))),
        ] {
            assert_eq!(token(seconds, renewable).due(can_log_in), due, "{seconds} {renewable}");
        }
        let token = token(3600, true);
        tokio::time::advance(Duration::from_secs(2399)).await;
        assert_eq!(token.due(true), Due::In(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(token.due(true), Due::Now);
        assert!(!token.has_ended());
        tokio::time::advance(Duration::from_mins(20)).await;
        assert!(token.has_ended());
        assert_eq!(token.due(true), Due::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_keeps_the_time_of_the_login() {
        let old = token(3600, true);
        tokio::time::advance(Duration::from_secs(1000)).await;
        let renewed = old.with_life(Life::of(1000, true));
        assert_eq!(renewed.age(), Duration::from_secs(1000));
        assert!(renewed.is_shortened(&old));
        assert!(!old.with_life(Life::of(1800, true)).is_shortened(&old));
        assert!(!old.with_life(Life::Endless).is_shortened(&old));
    }
}
