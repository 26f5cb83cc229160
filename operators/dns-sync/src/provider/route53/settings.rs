//! The operator's settings for Route 53.
use hearth_reconciler::rate_limit::Rate;

/// Route 53 documents 5 requests per second and account; newer pages name 10 with a burst of 50
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>). The account is shared with other
/// tools, so the default stays at the old figure.
const DEFAULT_RATE: Rate = Rate {
    per_second: 5.0,
    burst: 10.0,
};

/// For all zones at Route 53.
#[derive(clap::Args, Debug, Clone)]
#[group(skip)]
pub struct Settings {
    /// The region for zones that name none; EKS sets it where web identities are used
    #[arg(long, env = "AWS_REGION")]
    pub aws_region: Option<String>,
    /// Route 53 calls per second and account
    #[arg(long, env = "HEARTH_ROUTE53_RATE", default_value_t = DEFAULT_RATE.per_second)]
    pub route53_rate: f64,
    /// Route 53 calls at once after a quiet time, per account
    #[arg(long, env = "HEARTH_ROUTE53_BURST", default_value_t = DEFAULT_RATE.burst)]
    pub route53_burst: f64,
}

impl Settings {
    /// The region for zones that name none.
    pub fn region(&self) -> Option<&str> {
        self.aws_region.as_deref().filter(|region| !region.is_empty())
    }

    /// The limiter's rate, kept sensible.
    pub fn rate(&self) -> Rate {
        Rate {
            per_second: self.route53_rate.clamp(0.1, 100.0),
            burst: self.route53_burst.clamp(1.0, 1000.0),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aws_region: None,
            route53_rate: DEFAULT_RATE.per_second,
            route53_burst: DEFAULT_RATE.burst,
        }
    }
}
