-- Asks gatepass whether a request may pass, and under which identity.
--
--   setenv GATEPASS_URL http://127.0.0.1:8080/auth/verify
--   setenv GATEPASS_IDENTITY "x-user-id x-user-roles"
--   lua-load gatepass.lua
--
--   http-request lua.gatepass
--   http-request deny deny_status 503 unless { var(txn.gatepass_admitted) -m bool }

local URL = assert(os.getenv("GATEPASS_URL"), "setenv GATEPASS_URL is missing")
local IDENTITY = assert(os.getenv("GATEPASS_IDENTITY"), "setenv GATEPASS_IDENTITY is missing")
local TIMEOUT = 5000 -- milliseconds

-- One spelling for all that a service may take for the same: X_User_Id, x-user.id.
local function canonical(name)
    return (name:lower():gsub("[^%w]", "-"))
end

local identity = {}
local is_identity = {}
for name in IDENTITY:lower():gmatch("%S+") do
    identity[#identity + 1] = name
    is_identity[canonical(name)] = true
end

-- HAProxy counts a field's values from 0.
local function values(field)
    local list = {}
    local index = 0
    while field and field[index] do
        list[#list + 1] = field[index]
        index = index + 1
    end
    return list
end

local function refuse(txn, status, reason, headers, body)
    local reply = txn:reply({ status = status, reason = reason, body = body })
    for name, value in pairs(headers) do
        reply:add_header(name, value)
    end
    txn:done(reply)
end

core.register_action("gatepass", { "http-req" }, function(txn)
    txn:set_var("txn.gatepass_admitted", false)
    local fields = txn.http:req_get_headers()
    for name in pairs(fields) do
        if is_identity[canonical(name)] then
            txn.http:req_del_header(name)
        end
    end

    -- The question names the request in HAProxy's words, never in the client's. Of the client's own fields gatepass
    -- sees the token alone; routes that go by others need them here.
    local question = {
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-uri"] = { txn.f:path() },
        ["x-forwarded-host"] = { txn.f:req_hdr("host") },
        ["x-forwarded-for"] = { txn.f:src() },
    }
    local tokens = values(fields["authorization"])
    if #tokens > 0 then
        question["authorization"] = tokens
    end
    local answer = core.httpclient():get({
        url = URL,
        headers = question,
        timeout = TIMEOUT,
    })

    if answer.status == 200 then
        for _, name in ipairs(identity) do
            local value = values(answer.headers[name])[1]
            if value then
                txn.http:req_set_header(name, value)
            end
        end
        txn:set_var("txn.gatepass_admitted", true)
    elseif answer.status == 401 or answer.status == 403 then
        local headers = { ["cache-control"] = "no-store" }
        for _, name in ipairs({ "content-type", "www-authenticate" }) do
            headers[name] = values(answer.headers[name])[1]
        end
        refuse(txn, answer.status, answer.reason, headers, answer.body)
    else
        refuse(txn, 503, "Service Unavailable", { ["cache-control"] = "no-store" }, "")
    end
end)
