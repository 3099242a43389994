-- A tag for the log, and a page that says who asks.
core.register_action("tag", { "http-req" }, function(txn)
	txn:set_var("txn.tag", "site-" .. #(txn.sf:req_fhdr("host") or ""))
end)
core.register_service("whoami", "http", function(applet)
	local text = "you are " .. applet.method .. " " .. applet.path .. "\n"
	applet:set_status(200)
	applet:add_header("content-length", tostring(#text))
	applet:add_header("content-type", "text/plain")
	applet:start_response()
	applet:send(text)
end)
