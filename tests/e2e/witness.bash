# The configuration of a witness, a second daemon that cosigns the checkpoints of $node: $D/w.yaml and its keys.
# shellcheck shell=bash disable=SC2154
"$build/tollgate" keygen "$D/w-audit.key" >/dev/null && "$build/tollgate" keygen "$D/witness.key" >/dev/null
cat >"$D/.w.yaml" <<YAML
node: w
agent: {listen: "unix@$D/w-agent.sock"}
relay: {listen: "unix@$D/w-relay.sock"}
admin: {listen: "unix@$D/w-admin.sock", tcp: "127.0.0.1:$(free_ports 1)"}
audit: {journal: "$D/w-journal", key: "$D/w-audit.key"}
witness: {listen: "unix@$D/witness.sock", key: "$D/witness.key", logs: [{origin: tollgate/$node, key: "$D/audit.key.pub"}]}
YAML
"$build/stackhelp" merge "$D/tollgate.yaml" "$D/.w.yaml" >"$D/w.yaml"
mkdir -p "$D/w-journal"
