// Shows /openapi.json as a page. Everything is set as text, so nothing in the document can become markup.

const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
};

const METHODS = ["get", "post", "patch", "put", "delete"];

/** What a schema refers to. */
const resolve = (api, schema) =>
  schema?.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema;

/** A schema in a few words. */
function words(api, schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.map((one) => words(api, one)).filter((text) => text !== "null").join(" or ");
  const types = [schema.type].flat().filter((type) => type && type !== "null");
  const text = types.join(" or ") || "any";
  return text === "array" ? `list of ${words(api, schema.items)}` : text;
}

/** The fields of a schema, also of those that are put together from others. */
function fields(api, schema) {
  const resolved = resolve(api, schema) ?? {};
  if (resolved.allOf) return resolved.allOf.flatMap((part) => fields(api, part));
  if (resolved.oneOf && !resolved.properties) return fields(api, resolved.oneOf.find((one) => one.type !== "null"));
  const required = new Set(resolved.required ?? []);
  return Object.entries(resolved.properties ?? {}).map(([name, field]) => ({
    name,
    type: words(api, field),
    note: [required.has(name) ? null : "optional", field.default === undefined ? null : `default ${field.default}`]
      .filter(Boolean)
      .join(", "),
    description: field.description ?? "",
  }));
}

function table(caption, rows) {
  if (rows.length === 0) return null;
  const row = ({ name, type, note, description }) =>
    make("tr", {},
      make("th", { scope: "row" }, make("code", {}, name)),
      make("td", {}, type, note ? make("span", { class: "soft" }, ` ${note}`) : null),
      make("td", {}, description));
  return make("table", {}, make("caption", {}, caption), make("tbody", {}, ...rows.map(row)));
}

function answers(api, operation) {
  const rows = Object.entries(operation.responses ?? {}).map(([status, response]) => ({
    name: status,
    type: words(api, Object.values(response.content ?? {})[0]?.schema),
    note: "",
    description: response.description,
  }));
  return table("Answers", rows);
}

function route(api, path, method, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => ({
    name: parameter.name,
    type: `${words(api, parameter.schema)} in ${parameter.in}`,
    note: parameter.required ? "" : "optional",
    description: parameter.description ?? "",
  }));
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const good = Object.entries(operation.responses ?? {}).find(([status]) => status.startsWith("2"));
  const answer = Object.values(good?.[1].content ?? {})[0]?.schema;
  return make("details", { class: "route", id: `${method}-${path}` },
    make("summary", {},
      make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("code", {}, path),
      make("span", { class: "what" }, operation.summary ?? "")),
    make("div", {},
      operation.description ? make("p", {}, operation.description) : null,
      table("Parameters", parameters),
      body ? table("Body", fields(api, body)) : null,
      answers(api, operation),
      answer ? table(words(api, answer), fields(api, answer)) : null));
}

function show(api) {
  const operations = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
  for (const tag of api.tags) {
    const id = `tag-${tag.name}`;
    document.getElementById("index").append(make("a", { href: `#${id}` }, tag.name));
    document.getElementById("reference").append(
      make("h2", { id }, tag.name),
      make("p", { class: "soft" }, tag.description ?? ""),
      ...operations
        .filter(({ operation }) => operation.tags?.includes(tag.name))
        .map(({ path, method, operation }) => route(api, path, method, operation)));
  }
}

const state = document.getElementById("state");
try {
  show(await (await fetch("/openapi.json")).json());
  state.textContent = "Send your key as Authorization: Bearer. Errors are problem documents with a stable code.";
} catch (error) {
  state.textContent = `The document could not be read: ${error.message}. It is at /openapi.json.`;
}
