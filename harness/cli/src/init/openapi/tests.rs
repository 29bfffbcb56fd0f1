//! Documents as frameworks write them and as people do, and the flows that follow.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::super::flow::Flow;
use super::super::infer::infer;
use super::super::recorded::Sifted;
use super::parse;

/// A service with tokens, as FastAPI describes it: the login is a form, and everything else stands in components.
pub(in super::super) const BEARER: &str = r##"{
  "openapi": "3.1.0", "info": {"title": "Shop", "version": "1"},
  "paths": {
    "/register": {"post": {"operationId": "register", "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Account"}}}},
      "responses": {"201": {"description": "made"}}}},
    "/auth/refresh_token": {"post": {"operationId": "refresh_token", "responses": {"200": {"description": "ok"}}}},
    "/token": {"post": {"operationId": "login_for_access_token_token_post",
      "requestBody": {"required": true, "content": {"application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}}}},
      "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Token"}}}},
                    "422": {"description": "no", "content": {"application/json": {"schema": {"type": "object", "properties": {"token": {"type": "string"}}}}}}}}},
    "/orders": {
      "get": {"operationId": "list_orders", "security": [{"OAuth2": []}],
        "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Orders"}}}}}},
      "post": {"operationId": "order", "security": [{"OAuth2": []}],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
        "responses": {"201": {"description": "ok"}}}},
    "/orders/{order_id}": {"put": {"security": [{"OAuth2": []}], "parameters": [{"name": "order_id", "in": "path", "required": true, "schema": {"type": "integer"}}],
      "responses": {"200": {"description": "ok"}}}},
    "/health": {"get": {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object", "properties": {"count": {"type": "integer"}}}}}}}}}
  },
  "components": {
    "securitySchemes": {"OAuth2": {"type": "oauth2", "flows": {"password": {"scopes": {}, "tokenUrl": "token"}}}},
    "schemas": {
      "Account": {"type": "object", "properties": {"username": {"type": "string"}, "password": {"type": "string"}}},
      "Form": {"type": "object", "required": ["username", "password"], "properties": {
        "grant_type": {"anyOf": [{"type": "string", "pattern": "password"}, {"type": "null"}]},
        "username": {"type": "string"}, "password": {"type": "string", "format": "password"}}},
      "Token": {"type": "object", "properties": {"token_type": {"type": "string"}, "access_token": {"type": "string"}}},
      "Order": {"type": "object", "required": ["item", "amount", "tags"], "properties": {
        "item": {"type": "string", "minLength": 9}, "amount": {"type": "integer", "minimum": 2}, "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["new", "old"]}}}},
      "Orders": {"allOf": [{"$ref": "#/components/schemas/Page"}, {"type": "object", "properties": {
        "total": {"type": ["integer", "null"]}, "owner": {"type": "object", "properties": {"username": {"type": "string"}}}}}]},
      "Page": {"type": "object", "properties": {"page": {"type": "integer"}, "offset": {"type": "integer"}}}
    }
  }
}"##;

/// A service with a cookie, as people write it.
pub(in super::super) const COOKIE: &str = r##"
openapi: 3.0.3
info: {title: Visits, version: "1"}
servers:
  - url: https://{host}.example.com/api/{version}/
    variables:
      host: {default: shop}
      version: {default: v1}
security:
  - session: []
paths:
  /accounts/sign-in:
    post:
      security: []
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                email: {type: string, format: email}
                remember: {type: boolean}
      responses:
        "204": {description: signed in}
  /visits/{place}:
    parameters:
      - {name: place, in: path, required: true, schema: {type: string, example: berlin}}
    post:
      parameters:
        - {name: X-Client, in: header, required: true, schema: {type: string, default: web}}
        - {name: kind, in: query, required: true, schema: {type: string, enum: [a b]}}
        - {name: dry, in: query, schema: {type: boolean}}
      responses:
        "204": {description: counted}
  /me:
    get:
      responses:
        "200":
          description: the user
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Me"}
  /session:
    delete:
      responses:
        "204": {description: signed out}
components:
  securitySchemes:
    session: {type: apiKey, in: cookie, name: sid}
  schemas:
    Me:
      properties:
        id: {type: integer}
        profile:
          properties:
            email: {type: string}
            visits: {type: integer}
"##;

fn flow(document: &str) -> Flow {
    let (exchanges, said) = parse(document).unwrap();
    infer(&Sifted::sift(exchanges).kept, None, &said).unwrap()
}

/// Demands lines of a file, and parts of what is open.
fn assert_says(flow: &Flow, lines: &[&str], open: &[&str]) {
    let text = flow.text();
    for line in lines {
        assert!(text.lines().any(|own| own == *line), "{line}\n{text}");
    }
    let told = flow.open.join("\n");
    for part in open {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert_eq!(flow.open.len(), open.len(), "{told}");
}

#[test]
fn a_document_with_tokens_gives_a_form_a_capture_and_a_number() {
    let flow = flow(BEARER);
    let lines = [
        "value = \"/total\"",
        "identity = { at = \"/owner/username\", name = \"u{{ session }}\" }",
        "request = \"POST /token\"",
        "form = { password = { value = \"change-this-password\", secret = true }, username = \"u{{ session }}\" }",
        "capture = { token = \"/access_token\" }",
        "request = \"POST /orders\"",
        "headers = { authorization = \"Bearer {{ token }}\" }",
        "json = { amount = 2, item = \"examplexx\", tags = [\"new\"] }",
        "request = \"GET /orders\"",
    ];
    let open = [
        "whether /total counts the acts (value): the document says only that it is a number",
        "the password change-this-password: write the true one, and make these users when the server starts. POST /register makes accounts",
    ];
    assert_says(&flow, &lines, &open);
    let because = "POST /token: a security scheme gets its tokens there, its path or its operationId, it sends a password, it names a user";
    assert!(
        flow.told
            .contains(&("login".to_owned(), because.to_owned())),
        "{:?}",
        flow.told
    );
}

#[test]
fn a_document_with_a_cookie_gives_paths_users_by_mail_and_what_is_to_be_filled_in() {
    let flow = flow(COOKIE);
    let lines = [
        "value = \"/profile/visits\"",
        "identity = { at = \"/profile/email\", name = \"u{{ session }}@example.com\" }",
        "request = \"POST /api/v1/accounts/sign-in\"",
        "json = { email = \"u{{ session }}@example.com\", remember = true }",
        "request = \"POST /api/v1/visits/berlin?kind=a+b\"",
        "headers = { x-client = \"web\" }",
        "request = \"GET /api/v1/me\"",
        "request = \"DELETE /api/v1/session\"",
    ];
    let open = [
        "whether /profile/visits counts the acts",
        "the place in the path of POST /api/v1/visits/{place}: the file sends berlin. Write one that each user has",
    ];
    assert_says(&flow, &lines, &open);
}

#[test]
fn a_key_in_a_header_is_captured_from_the_login_or_is_to_be_written() {
    let bearer = r#""OAuth2": {"type": "oauth2", "flows": {"password": {"scopes": {}, "tokenUrl": "token"}}}"#;
    let with = |scheme: &str| BEARER.replace(bearer, &format!("\"OAuth2\": {scheme}"));
    let key = with(r#"{"type": "apiKey", "in": "header", "name": "X-API-Key"}"#);
    let text = flow(&key).text();
    assert!(
        text.contains("headers = { x-api-key = \"{{ given_x_api_key }}\" }"),
        "{text}"
    );
    assert!(
        text.contains("capture = { given_x_api_key = \"/access_token\" }"),
        "{text}"
    );
    let without = flow(&key.replace("access_token\": {", "other\": {"));
    let text = without.text();
    let header = "headers = { x-api-key = { value = \"change-this-key\", secret = true } }";
    assert!(text.contains(header), "{text}");
    let told = without.open.join("\n");
    assert!(
        told.contains("the key that the server wants in the header x-api-key (OAuth2)"),
        "{told}"
    );
    for (scheme, part) in [
        (
            r#"{"type": "http", "scheme": "Basic"}"#,
            "HTTP's Basic scheme (OAuth2)",
        ),
        (
            r#"{"type": "apiKey", "in": "query", "name": "key"}"#,
            "the parameter key (OAuth2)",
        ),
    ] {
        let told = flow(&with(scheme)).open.join("\n");
        assert!(told.contains(part), "{told}");
    }
    let token =
        with(r#"{"type": "http", "scheme": "bearer"}"#).replace("access_token\": {", "other\": {");
    let told = flow(&token).open.join("\n");
    assert!(
        told.contains("where the login's reply shows the token: /token is a guess"),
        "{told}"
    );
}

#[test]
fn a_document_that_cannot_be_used_is_refused_with_the_reason() {
    let no_login = BEARER
        .replace("/token\"", "/other\"")
        .replace("login_for_access_token_token_post", "other");
    for (document, told) in [
        ("{", "it is not JSON: EOF"),
        ("a: [", "it is neither JSON nor YAML"),
        (
            "{\"swagger\": \"2.0\"}",
            "it is Swagger 2.0: convert it to OpenAPI 3 first",
        ),
        ("openapi: 4.0.0", "it is OpenAPI 4.0.0: only 3.0 and 3.1"),
        (
            "<html>",
            "it is no OpenAPI document: it has no key `openapi`",
        ),
        ("openapi: 3.0.0", "it has no operations: paths is empty"),
        (
            "{\"openapi\": \"3.0.0\", \"paths\": {\"/a\": {\"get\": {}}}}",
            "the key session.login is missing: it has only GETs",
        ),
        (
            &no_login
                .replace("\"tokenUrl\": \"token\"", "\"tokenUrl\": \"elsewhere\"")
                .replace("\"password\"", "\"word\""),
            "the key session.login is missing: POST /auth/refresh_token, ",
        ),
    ] {
        let wrong = parse(document).unwrap_err();
        assert!(wrong.problem.contains(told), "{document}: {wrong}");
    }
}

#[test]
fn references_that_lead_in_a_circle_or_elsewhere_end() {
    let circle = COOKIE.replace(
        "id: {type: integer}",
        "me: {$ref: \"#/components/schemas/Me\"}\n        other: {$ref: \"other.yaml#/Me\"}\n        self: {$ref: \"#/components/schemas/Me/properties/self\"}",
    );
    assert_eq!(flow(&circle).value.as_deref(), Some("/profile/visits"));
    let body = COOKIE.replace(
        "remember: {type: boolean}",
        "friend: {$ref: \"#/components/schemas/Me\"}",
    );
    let body = body.replace(
        "id: {type: integer}",
        "me: {$ref: \"#/components/schemas/Me\"}",
    );
    assert!(
        flow(&body)
            .text()
            .contains("request = \"POST /api/v1/accounts/sign-in\"")
    );
}
