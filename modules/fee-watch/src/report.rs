//! The metrics. They are reported at intervals, not with each transaction: a busy mempool costs four calls a refresh.

use cofferdam_sdk::metrics::{Labels, Metric, MetricValue};
use cofferdam_sdk::{NodeApi, SdkError};

use crate::statistics::Statistics;

/// Remembers what was reported, as counters grow by increments.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    reported: u64,
}

impl Reporter {
    pub(crate) async fn report(
        &mut self,
        node: &NodeApi,
        statistics: &mut Statistics,
    ) -> Result<(), SdkError> {
        let new = statistics.seen().saturating_sub(self.reported);
        let counter = MetricValue::Counter(float(new));
        node.report_metric(metric("transactions_total", "Transactions seen entering the mempool", counter))
            .await?;
        self.reported = statistics.seen();
        if let Some(median) = statistics.percentile(50).map(float) {
            let help = "Median fee rate of the window, in millisatoshis per virtual byte";
            node.report_metric(metric("median_msats_per_vbyte", help, MetricValue::Gauge(median))).await?;
            let help = "Median fee rates at each refresh, in millisatoshis per virtual byte";
            node.report_metric(metric("medians_msats_per_vbyte", help, MetricValue::Histogram(median)))
                .await?;
        }
        let size = node.get_mempool_size().await?;
        let help = "Virtual size of the mempool, in bytes";
        let gauge = MetricValue::Gauge(float(size.virtual_bytes));
        node.report_metric(metric("mempool_virtual_bytes", help, gauge)).await
    }
}

fn metric(name: &str, help: &str, value: MetricValue) -> Metric {
    Metric { name: name.to_owned(), help: help.to_owned(), labels: Labels::default(), value }
}

/// Above 2^53 the lowest bits are lost, which no counter here reaches.
#[expect(clippy::as_conversions, reason = "there is no other way from u64 to f64")]
fn float(number: u64) -> f64 {
    number as f64
}
