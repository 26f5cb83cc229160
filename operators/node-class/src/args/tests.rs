use super::*;

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
