# haproxy.cfg as it is shipped, for a container: no chroot (not root), one provider, whose address
# comes from PROVIDER (haproxy-start).
/^    chroot /d
# A request needs at most four buffers of 256 KB (docs/sizing.md), and a relayed one counts as two connections. 768 MB
# are 75 % of the container's memory limit of 1 GB.
/^    tune.bufsize 262144/a\
    maxconn 768
/^    user haproxy/d
/^    group haproxy/d
/^backend openai/,/^$/d
/^backend anthropic/,/^$/d
/use_backend anthropic/d
s/use_backend openai/use_backend local/
/^    server local /c\
    .if streq("$PROVIDER_TLS",yes)\
    http-request set-header host "${PROVIDER_HOST}"\
    server local "${PROVIDER_ADDRESS}" init-addr last,libc,none resolvers dns resolve-prefer ipv4 ssl verify required ca-file "${PROVIDER_CA}" sni str("${PROVIDER_NAME}")\
    .else\
    server local "${PROVIDER_ADDRESS}" init-addr last,libc,none resolvers dns resolve-prefer ipv4 check\
    .endif
