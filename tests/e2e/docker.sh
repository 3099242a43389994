# What make docker-test does for real is held together here: every metric that the alerts and
# the dashboard name is one that /metrics has; compose and the Kubernetes example agree.
. "$(dirname "$0")/lib.sh"

stack_up
curl -s "$ADMIN/metrics" | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | sort -u >"$D/metrics"
for f in docker/prometheus/alerts.yml docker/grafana/dashboard.json; do
	grep -o 'tollgate_[a-z_]*' "$root/$f" | sort -u >"$D/named"
	is "$f names metrics that there are" "$(comm -23 "$D/named" "$D/metrics" | tr '\n' ' ')" ""
	check "$f names some" test "$(wc -l <"$D/named")" -ge 10
done
k=$root/docker/kubernetes.yaml
for word in /tollgate/agent.sock 8080 9464 /run/tollgate /var/lib/tollgate /etc/tollgate tollgate-haproxy tollgate-setup; do
	like "kubernetes.yaml and the images agree on $word" "$(cat "$k")" "$word"
	like "as do the container files" "$(cat "$root"/docker/Dockerfile "$root"/docker/haproxy.Dockerfile "$root"/docker/compose.yaml "$root"/docker/tollgate.yaml)" "${word#tollgate-}"
done
for id in 990 991; do
	like "group $id is the same in both images" "$(grep -c "groupadd.* -g $id" "$root/docker/Dockerfile" "$root/docker/haproxy.Dockerfile" | tr '\n' ' ')" ':[1-9].*:[1-9]'
	like "and in Kubernetes" "$(cat "$k")" "$id"
done
exit $failed
