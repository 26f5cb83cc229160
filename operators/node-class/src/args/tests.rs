use super::*;

impl Default for Timing {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(40),
            blind_after: Duration::from_secs(20),
            settle: Duration::from_mins(1),
            checkpoint: Duration::from_mins(30),
            reboot_within: Duration::from_mins(10),
            clean_off_after: Duration::from_mins(5),
        }
    }
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            coverage: Duration::from_hours(72),
            calm: Duration::from_hours(14 * 24),
            dwell: Duration::from_hours(24),
        }
    }
}

#[test]
fn the_defaults_of_the_command_line_are_those_of_the_types() {
    let given = ["node-class", "run", "--namespace", "n", "--cluster-name", "home"];
    let Command::Shared(cli::Command::Run(args)) = Cli::try_parse_from(given).unwrap().command else {
        panic!()
    };
    assert_eq!((args.timing, args.learning), (Timing::default(), Learning::default()));
    assert_eq!(args.features.0, [Feature::Drain, Feature::Failover, Feature::Workloads]);
    assert_eq!(
        features(""),
        Ok(Features(Vec::new())),
        "the chart says so when all are off"
    );
    assert!(features("drain,fly").is_err());
}

#[test]
fn time_zones_are_known_without_the_system() {
    assert!(time_zone("Europe/Berlin").is_ok());
    assert!(time_zone("Middle/Earth").is_err());
}
