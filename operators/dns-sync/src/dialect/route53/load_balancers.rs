//! The hosted zones of AWS load balancers, which an alias record has to name.
//!
//! Route 53 does not find them by itself, and to ask the load balancer's own API would need credentials for another
//! service, perhaps of another account. AWS publishes them:
//! - load balancers: "Elastic Load Balancing endpoints and quotas", <https://docs.aws.amazon.com/general/latest/gr/elb.html>
//! - `CloudFront`, Global Accelerator: "Values specific for simple alias records",
//!   <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-alias.html>

/// The zone of every `CloudFront` distribution.
const CLOUDFRONT: &str = "Z2FDTNDATAQYW2";
/// The zone of every Global Accelerator.
const GLOBAL_ACCELERATOR: &str = "Z2BJ6XQ5FK7U4H";

/// Region, zone of Application and Classic Load Balancers, zone of Network Load Balancers; sorted by region.
const REGIONS: [(&str, &str, &str); 38] = [
    ("af-south-1", "Z268VQBMOI5EKX", "Z203XCE67M25HM"),
    ("ap-east-1", "Z3DQVH9N71FHZ0", "Z12Y7K3UBGUAD1"),
    ("ap-east-2", "Z02789141MW7T1WBU19PO", "Z09176273OC2HWIAUNYW"),
    ("ap-northeast-1", "Z14GRHDCWA56QT", "Z31USIVHYNEOWT"),
    ("ap-northeast-2", "ZWKZPGTI48KDX", "ZIBE1TIR4HY56"),
    ("ap-northeast-3", "Z5LXEXXYW11ES", "Z1GWIQ4HH19I5X"),
    ("ap-south-1", "ZP97RAFLXTNZK", "ZVDDRBQ08TROA"),
    ("ap-south-2", "Z0173938T07WNTVAEPZN", "Z0711778386UTO08407HT"),
    ("ap-southeast-1", "Z1LMS91P8CMLE5", "ZKVM4W9LS7TM"),
    ("ap-southeast-2", "Z1GM3OXH4ZPM65", "ZCT6FZBF4DROD"),
    ("ap-southeast-3", "Z08888821HLRG5A9ZRTER", "Z01971771FYVNCOVWJU1G"),
    ("ap-southeast-4", "Z09517862IB2WZLPXG76F", "Z01156963G8MIIL7X90IV"),
    ("ap-southeast-5", "Z06010284QMVVW7WO5J", "Z026317210H9ACVTRO6FB"),
    ("ap-southeast-6", "Z023301818UFJ50CIO0MV", "Z01392953RKV2Q3RBP0KU"),
    ("ap-southeast-7", "Z0390008CMBRTHFGWBCB", "Z054363131YWATEMWRG5L"),
    ("ca-central-1", "ZQSVJUPU6J1EY", "Z2EPGBW3API2WT"),
    ("ca-west-1", "Z06473681N0SF6OS049SD", "Z02754302KBB00W2LKWZ9"),
    ("cn-north-1", "Z1GDH35T77C1KE", "Z3QFB96KMJ7ED6"),
    ("cn-northwest-1", "ZM7IZAIOVVDZF", "ZQEIKTCZ8352D"),
    ("eu-central-1", "Z215JYRZR1TBD5", "Z3F0SRJ5LGBH90"),
    ("eu-central-2", "Z06391101F2ZOEP8P5EB3", "Z02239872DOALSIDCX66S"),
    ("eu-north-1", "Z23TAZ6LKFMNIO", "Z1UDT6IFJ4EJM"),
    ("eu-south-1", "Z3ULH7SSC9OV64", "Z23146JA1KNAFP"),
    ("eu-south-2", "Z0956581394HF5D5LXGAP", "Z1011216NVTVYADP1SSV"),
    ("eu-west-1", "Z32O12XQLNTSW2", "Z2IFOLAFXWLO4F"),
    ("eu-west-2", "ZHURV8PSTC4K8", "ZD4D7Y8KGAS4G"),
    ("eu-west-3", "Z3Q77PNBQS71R4", "Z1CMS0P5QUZ6D5"),
    ("il-central-1", "Z09170902867EHPV2DABU", "Z0313266YDI6ZRHTGQY4"),
    ("me-central-1", "Z08230872XQRWHG2XF6I", "Z00282643NTTLPANJJG2P"),
    ("me-south-1", "ZS929ML54UICD", "Z3QSRYVP46NYYV"),
    ("mx-central-1", "Z023552324OKD1BB28BH5", "Z02031231H3ID6HYJ9A7U"),
    ("sa-east-1", "Z2P70J7HTTTPLU", "ZTK26PT1VY4CU"),
    ("us-east-1", "Z35SXDOTRQ7X7K", "Z26RNL4JYFTOTI"),
    ("us-east-2", "Z3AADJGX6KTTL2", "ZLMOA37VPKANP"),
    ("us-gov-east-1", "Z166TLBEWOO7G0", "Z1ZSMQQ6Q24QQ8"),
    ("us-gov-west-1", "Z33AYJ8TM3BH4J", "ZMG1MZ2THAWF1"),
    ("us-west-1", "Z368ELLRRE2KJ0", "Z24FKFUX50B4VW"),
    ("us-west-2", "Z1H1FL5HABSF5", "Z18D5FSROUN65G"),
];

/// Region and zone of VPC endpoints (AWS gives them per endpoint, `DescribeVpcEndpoints`; external-dns has the same);
/// sorted by region.
const VPC_ENDPOINTS: [(&str, &str); 29] = [
    ("af-south-1", "Z09302161J80N9A7UTP7U"),
    ("ap-east-1", "Z2LIHJ7PKBEMWN"),
    ("ap-northeast-1", "Z2E726K9Y6RL4W"),
    ("ap-northeast-2", "Z27UANNT0PRK1T"),
    ("ap-northeast-3", "Z376B5OMM2JZL2"),
    ("ap-south-1", "Z2KVTB3ZLFM7JR"),
    ("ap-south-2", "Z0952991RWSF5AHIQDIY"),
    ("ap-southeast-1", "Z18LLCSTV4NVNL"),
    ("ap-southeast-2", "ZDK2GCRPAFKGO"),
    ("ap-southeast-3", "Z03881013RZ9BYYZO8N5W"),
    ("ap-southeast-4", "Z07508191CO1RNBX3X3AU"),
    ("ca-central-1", "ZRCXCF510Y6P9"),
    ("eu-central-1", "Z273ZU8SZ5RJPC"),
    ("eu-central-2", "Z045369019J4FUQ4S272E"),
    ("eu-north-1", "Z3OWWK6JFDEDGC"),
    ("eu-south-1", "Z2A5FDNRLY7KZG"),
    ("eu-south-2", "Z014396544HENR57XQCJ"),
    ("eu-west-1", "Z38GZ743OKFT7T"),
    ("eu-west-2", "Z7K1066E3PUKB"),
    ("eu-west-3", "Z1DWHTMFP0WECP"),
    ("me-central-1", "Z07122992YCEUCB9A9570"),
    ("me-south-1", "Z3B95P3VBGEQGY"),
    ("sa-east-1", "Z2LXUWEVLCVZIB"),
    ("us-east-1", "Z7HUB22UULQXV"),
    ("us-east-2", "ZC8PG0KIFKBRI"),
    ("us-gov-east-1", "Z2MU5TEIGO9WXB"),
    ("us-gov-west-1", "Z12529ZODG2B6H"),
    ("us-west-1", "Z12I86A8N7VCZO"),
    ("us-west-2", "Z1YSA3EXCYUU9Z"),
];

/// Whether an alias into this zone cannot follow its target's health: "You can't set `EvaluateTargetHealth` to `true` when
/// the alias target is a `CloudFront` distribution"
/// (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>).
pub(super) fn forbids_target_health(zone_id: &str) -> bool {
    zone_id == CLOUDFRONT
}

/// The hosted zone id of a load balancer, `CloudFront` distribution, Global Accelerator or VPC endpoint, by its DNS name (any case, with
/// or without `dualstack.` and final dot). None: not one of those, or of a region that is not known here.
pub(super) fn load_balancer_zone(target: &str) -> Option<&'static str> {
    let target = target.trim().trim_end_matches('.').to_ascii_lowercase();
    if target.ends_with(".cloudfront.net") {
        return Some(CLOUDFRONT);
    }
    if target.ends_with(".awsglobalaccelerator.com") {
        return Some(GLOBAL_ACCELERATOR);
    }
    let (host, chinese) = match target.strip_suffix(".amazonaws.com") {
        Some(host) => (host, false),
        None => (target.strip_suffix(".amazonaws.com.cn")?, true),
    };
    let mut labels = host.rsplit('.');
    let (last, before) = (labels.next()?, labels.next()?);
    labels.next().filter(|name| !name.is_empty())?;
    if last == "vpce" && !chinese {
        let at = VPC_ENDPOINTS.binary_search_by(|(known, _)| (*known).cmp(before)).ok()?;
        return Some(VPC_ENDPOINTS[at].1);
    }
    let (region, network) = match (before, last) {
        (region, "elb") => (region, false),
        ("elb", region) => (region, true),
        _ => return None,
    };
    let at = REGIONS.binary_search_by(|(known, _, _)| (*known).cmp(region)).ok()?;
    let (_, application_zone, network_zone) = REGIONS[at];
    (region.starts_with("cn-") == chinese).then_some(if network { network_zone } else { application_zone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_sorted_and_zones_differ() {
        assert!(REGIONS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(VPC_ENDPOINTS.is_sorted_by(|a, b| a.0 < b.0));
        let mut zones: Vec<&str> = REGIONS.iter().flat_map(|(_, a, n)| [*a, *n]).collect();
        zones.extend(VPC_ENDPOINTS.map(|(_, zone)| zone));
        zones.sort_unstable();
        zones.dedup();
        assert_eq!(zones.len(), 2 * REGIONS.len() + VPC_ENDPOINTS.len());
    }

    #[test]
    fn load_balancers() {
        let cases = [
            ("bar.eu-central-1.elb.amazonaws.com", Some("Z215JYRZR1TBD5")),
            ("dualstack.bar.eu-central-1.elb.amazonaws.com.", Some("Z215JYRZR1TBD5")),
            ("internal-Bar-123.US-East-1.elb.amazonaws.com", Some("Z35SXDOTRQ7X7K")),
            ("bar-0a1b.elb.us-east-1.amazonaws.com", Some("Z26RNL4JYFTOTI")),
            ("bar.elb.eu-central-1.amazonaws.com", Some("Z3F0SRJ5LGBH90")),
            ("bar.cn-north-1.elb.amazonaws.com.cn", Some("Z1GDH35T77C1KE")),
            ("bar.cn-north-1.elb.amazonaws.com", None),
            ("bar.eu-central-1.elb.amazonaws.com.cn", None),
            ("bar.us-gov-west-1.elb.amazonaws.com", Some("Z33AYJ8TM3BH4J")),
            ("d111111abcdef8.cloudfront.net", Some("Z2FDTNDATAQYW2")),
            ("a1234567890abcdef.awsglobalaccelerator.com", Some("Z2BJ6XQ5FK7U4H")),
            (
                "vpce-0a1b-2c3d.vpce-svc-4e5f.eu-central-1.vpce.amazonaws.com",
                Some("Z273ZU8SZ5RJPC"),
            ),
            ("eu-central-1.vpce.amazonaws.com", None),
            ("cloudfront.net", None),
            ("eu-central-1.elb.amazonaws.com", None),
            ("bar.mars-1.elb.amazonaws.com", None),
            ("ec2-1-2-3-4.eu-central-1.compute.amazonaws.com", None),
            ("bar.elb.amazonaws.com.evil.example", None),
            ("", None),
        ];
        for (target, zone) in cases {
            assert_eq!(load_balancer_zone(target), zone, "{target}");
        }
    }
}
