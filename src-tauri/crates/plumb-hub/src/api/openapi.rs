//! The OpenAPI 3.1 document of the table.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{Body, Needs, OPERATIONS, Operation};

/// The whole document.
pub(crate) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut shapes = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let described = describe(operation, &mut shapes);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = described;
    }
    let problem = shapes.subschema_for::<plumb_wire::hub::Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Plumbline hub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Policy packs, desired versions, alerts and incidents of a team.",
        },
        "security": [{ "token": [] }, { "certificate": [] }],
        "paths": paths,
        "components": {
            "schemas": shapes.take_definitions(true),
            "responses": { "problem": {
                "description": "Why it was not done",
                "content": { "application/problem+json": { "schema": problem } },
            } },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "certificate": { "type": "mutualTLS" },
            },
        },
    })
}

fn describe(operation: &Operation, shapes: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = names(operation.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(query) = operation.query {
        parameters.extend(fields(&query(shapes), shapes));
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {
            "200": content("What was asked for", operation.answer, shapes),
            "default": { "$ref": "#/components/responses/problem" },
        },
    });
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    match operation.needs {
        Needs::Nothing => described["security"] = json!([]),
        Needs::Identity => {}
        Needs::Role(entitlement) => described["x-entitlement"] = entitlement.as_str().into(),
    }
    if !matches!(operation.body, Body::None) {
        let mut body = content("", operation.body, shapes);
        body.as_object_mut().expect("an object").remove("description");
        body["required"] = true.into();
        described["requestBody"] = body;
    }
    described
}

fn content(description: &str, body: Body, shapes: &mut SchemaGenerator) -> Value {
    match body {
        Body::None => json!({ "description": description }),
        Body::Json(shape) => json!({
            "description": description,
            "content": { "application/json": { "schema": shape(shapes) } },
        }),
        Body::Bytes(media) => json!({ "description": description, "content": { media: {} } }),
    }
}

/// The fields of a query as parameters.
fn fields(query: &Schema, shapes: &SchemaGenerator) -> Vec<Value> {
    let named = query.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next());
    let shape = match named {
        Some(name) => shapes.definitions().get(name).cloned().unwrap_or_default(),
        None => query.clone().into(),
    };
    let fields = shape.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    fields
        .into_iter()
        .map(|(name, schema)| json!({ "name": name, "in": "query", "required": false, "schema": schema }))
        .collect()
}

/// The names in braces.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}
