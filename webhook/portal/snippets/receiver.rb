[[if not .Shaped]]require 'json'
[[end]]require 'openssl'
require 'sinatra'

SECRET = ENV.fetch('WEBHOOK_SECRET', '')
KEY = SECRET.delete_prefix('whsec_').unpack1('m')
if !SECRET.start_with?('whsec_') || KEY.bytesize < 16 # With an empty key, anybody could sign.
  abort 'WEBHOOK_SECRET is not the secret of a webhook: set it to "whsec_" and what follows'
end
MAX_BODY = 2 << 20 # 256 KiB in their longest spelling are 1.5 MiB.

set :bind, '127.0.0.1'
set :port, ENV.fetch('PORT', '8080')

helpers do
  def header(name)
    request.get_header("HTTP_#{name}").to_s
  end

  [[if .Signature]]# [[.Signature]] is over the body as it arrived.
  def signed?(raw)
    mac = [[if .Untimed.Base64]][OpenSSL::HMAC.digest[[else]]OpenSSL::HMAC.hexdigest[[end]]('SHA256', [[if .Untimed.DecodedKey]]KEY[[else]]SECRET[[end]], raw)[[if .Untimed.Base64]]].pack('m0')[[end]]
    Rack::Utils.secure_compare("[[slashed .Untimed.Prefix "\"#"]]#{mac}", header('[[variable .Signature]]'))
  end

  # That of Standard Webhooks also covers the event's id and the time of sending.
  [[else]]# webhook-signature covers the event's id, the time of sending, and the body as it arrived.
  [[end]]def fresh?(raw)
    sent = header('WEBHOOK_TIMESTAMP')
    return false if (Time.now.to_i - sent.to_i).abs > 300

    mac = OpenSSL::HMAC.digest('SHA256', KEY, "#{header('WEBHOOK_ID')}.#{sent}.".b + raw)
    expected = "v1,#{[mac].pack('m0')}"
    header('WEBHOOK_SIGNATURE').split.any? { |given| Rack::Utils.secure_compare(expected, given) }
  end
end

post '/webhooks' do
  halt 413 if request.content_length.to_i > MAX_BODY
  raw = request.body.read(MAX_BODY + 1).to_s # Not what JSON.generate makes of the parsed body.
  halt 413 if raw.bytesize > MAX_BODY
  halt 401 unless [[if .Signature]]signed?(raw) && [[end]]fresh?(raw)
[[if .Shaped]]  logger.info "received #{header('WEBHOOK_ID')}"
  # Parse it, put[[else]]  event = JSON.parse(raw)
  logger.info "received #{event['type']} #{event['id']}"
  # Put[[end]] it into a queue, unless its id is there already; work on it afterwards.
  204
end
