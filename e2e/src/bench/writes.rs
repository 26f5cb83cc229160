//! How much is written, as the operator counts and as the API server counts.
use crate::install::Installation;
use anyhow::Result;
use kube::Client;

/// Requests other than GET that the operator counts since its start. Its lease's client is not among them.
pub(crate) async fn reported(operator: &Installation, pod: &str) -> Result<f64> {
    Ok(reported_on(&operator.page(pod, "metrics").await?))
}

/// The same on a page of metrics.
pub(crate) fn reported_on(page: &str) -> f64 {
    sum(page, "rest_client_requests_total{", |line| {
        !line.contains("method=\"GET\"")
    })
}

/// The operator's count of its requests, by status and method, but for those that it made none of.
pub(crate) async fn shown(operator: &Installation, pod: &str) -> Result<String> {
    let page = operator.page(pod, "metrics").await?;
    let lines = page
        .lines()
        .filter(|line| line.starts_with("rest_client_requests_total{") && !line.ends_with(" 0"));
    Ok(lines.map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))
}

/// Writes that the API server counts since its start, of those whose line fits.
pub(crate) async fn counted(client: &Client, fits: impl Fn(&str) -> bool) -> Result<f64> {
    let page = client
        .request_text(http::Request::get("/metrics").body(Vec::new())?)
        .await?;
    let reads = ["verb=\"GET\"", "verb=\"LIST\"", "verb=\"WATCH\""];
    Ok(sum(&page, "apiserver_request_total{", |line| {
        fits(line) && reads.iter().all(|read| !line.contains(read))
    }))
}

/// The samples whose line begins so and fits.
pub(crate) fn sum(page: &str, beginning: &str, fits: impl Fn(&str) -> bool) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(beginning) && fits(line));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_chosen_by_name_and_labels() {
        let page = "a_total{m=\"GET\"} 2\na_total{m=\"PUT\"} 3\na_totally{m=\"PUT\"} 5\n";
        let of = |fits: &dyn Fn(&str) -> bool| sum(page, "a_total{", fits);
        assert!((of(&|_| true) - 5.0).abs() < 1e-9);
        assert!((of(&|line| !line.contains("GET")) - 3.0).abs() < 1e-9);
    }
}
