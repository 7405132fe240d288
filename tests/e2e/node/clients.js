// Clients of the registry in JavaScript on a leash: reads one request a line (JSON), answers one line, {ok} or {error}.
//
//   {client: "confluent", op: "register", subject, type, schema, references}  -> {id, version…}
//   {client: "confluent", op: "encode", id, value} -> base64        {client: "confluent", op: "decode", message} -> value
//   {client: "glue", op: "create"|"register", name, schema, compatibility}    -> id
//   {client: "glue", op: "encode", id, value, compress} -> base64   {client: "glue", op: "decode", message, reader} -> value
const path = require("path"), readline = require("readline");
const modules = path.join(process.argv[2], "node_modules");
const { SchemaRegistry } = require(path.join(modules, "@kafkajs/confluent-schema-registry"));
const glue = require(path.join(modules, "@meinestadt.de/glue-schema-registry"));
const avro = require(path.join(modules, "avsc"));

const endpoint = process.env.AWS_ENDPOINT_URL_GLUE;
const auth = { username: process.env.AWS_ACCESS_KEY_ID, password: process.env.AWS_SECRET_ACCESS_KEY };
const aws = new glue.GlueSchemaRegistry("default-registry", { region: "us-east-1", endpoint });
const bytes = (text) => Buffer.from(text, "base64");
// A registry's client of its own each time: nothing is known from before.
const confluent = () => new SchemaRegistry({ host: endpoint + "/confluent", auth, retry: { retries: 0 } });

const operations = {
    "confluent register": (q) => confluent().register({ type: q.type, schema: q.schema, references: q.references }, { subject: q.subject }),
    "confluent encode": async (q) => (await confluent().encode(q.id, q.value)).toString("base64"),
    "confluent decode": (q) => confluent().decode(bytes(q.message)),
    "glue create": (q) => aws.createSchema({ type: "AVRO", schemaName: q.name, compatibility: q.compatibility, schema: q.schema }),
    "glue register": (q) => aws.register({ type: "AVRO", schemaName: q.name, schema: q.schema }),
    "glue encode": async (q) => (await aws.encode(q.id, q.value, { compress: q.compress })).toString("base64"),
    "glue decode": (q) => aws.decode(bytes(q.message), avro.Type.forSchema(JSON.parse(q.reader))),
};

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const q = JSON.parse(line);
        let answer;
        try {
            answer = { ok: await operations[`${q.client} ${q.op}`](q) };
        } catch (e) {
            answer = { error: `${e.name}: ${e.message}` };
        }
        process.stdout.write(JSON.stringify(answer) + "\n");
    }
})();
