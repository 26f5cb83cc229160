//! A token, how long it lives, and when it is renewed.
use std::time::Duration;

use tokio::time::Instant;

/// Renewals are not closer to each other, whatever the server grants.
pub(in crate::provider::vault) const SOONEST: Duration = Duration::from_secs(1);
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

    /// How long until it is due: at two thirds if it can be renewed, at four fifths if only a new login helps. None: never.
    pub(super) fn due_in(&self, can_log_in: bool) -> Option<Duration> {
        let Life::For { time, renewable } = self.life else {
            return None;
        };
        let due = match (renewable, can_log_in) {
            (true, _) => time / 3 * 2,
            (false, true) => time / 5 * 4,
            (false, false) => return None,
        };
        Some(due.max(SOONEST).saturating_sub(self.granted.elapsed()))
    }
}
