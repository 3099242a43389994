-- As the bouncer's own: a banned caller gets its page.
local function page(path)
	local f = path and io.open(path)
	if not f then return "Access forbidden" end
	local text = f:read("a")
	f:close()
	return text:match("\r?\n\r?\n(.*)") or text
end
local ban = page(os.getenv("CROWDSEC_BAN_TEMPLATE_PATH"))

core.register_action("crowdsec_handle", { "http-req" }, function(txn)
	local reply = txn:reply()
	reply:set_status(403)
	reply:add_header("content-type", "text/html")
	reply:add_header("cache-control", "no-store")
	reply:set_body(ban)
	txn:done(reply)
end)
