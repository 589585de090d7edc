//! The bundled model in an engine, for tests of everything around it.

use std::sync::{Arc, LazyLock};

use synfinance::core::engine::{Context, Engine};
use synfinance::core::features::calendar::Calendar;
use synfinance::core::features::cities::Cities;
use synfinance::core::features::feature::Feature;
use synfinance::core::model::Model;

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let bytes = include_bytes!("../../models/fraud-detector.onnx");
    Arc::new(Model::from_bytes(bytes, &|name| Feature::named(name).map(Feature::bounds)).unwrap())
});

/// What engines share.
pub fn context(timezone: &str) -> Arc<Context> {
    Arc::new(Context {
        calendar: Calendar::new(timezone, include_str!("../../config/holidays.csv")).unwrap(),
        cities: Cities::new(include_str!("../../config/cities.csv")).unwrap(),
    })
}

/// An engine; `threshold` instead of the model's own.
pub fn engine(context: Arc<Context>, threshold: Option<f64>) -> Engine {
    Engine::for_scoring(context, MODEL.clone(), None, threshold).unwrap()
}
