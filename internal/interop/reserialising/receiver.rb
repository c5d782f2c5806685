require 'json'
require 'openssl'
require 'sinatra'

set :bind, '127.0.0.1'
set :port, ENV.fetch('PORT')

post '/webhooks' do
  written = JSON.generate(JSON.parse(request.body.read))
  mac = OpenSSL::HMAC.hexdigest('SHA256', ENV.fetch('WEBHOOK_SECRET'), written)
  given = request.env['HTTP_X_WEBHOOK_SIGNATURE'].to_s
  Rack::Utils.secure_compare("sha256=#{mac}", given) ? 204 : 401
end
