# Rack alone, with its sessions in memory: `rackup`.
require 'json'
# Rack 3 has its sessions in a gem of their own.
begin
  require 'rack/session'
rescue LoadError
end

use Rack::Session::Pool, key: 'rack.session'

run lambda { |env|
  request = Rack::Request.new(env)
  session = request.session
  reply = ->(status, value) { [status, { 'content-type' => 'application/json' }, [JSON.generate(value)]] }
  case [request.request_method, request.path_info]
  when ['GET', '/'] then reply.(200, { service: 'stars' })
  when ['POST', '/login']
    session[:user] = request.params['user']
    session[:stars] = 0
    reply.(200, { hello: session[:user] })
  when ['POST', '/stars']
    next reply.(401, { error: 'log in' }) unless session[:user]
    session[:stars] += 1
    reply.(200, { stars: session[:stars] })
  when ['GET', '/stars']
    next reply.(401, { error: 'log in' }) unless session[:user]
    reply.(200, { user: session[:user], stars: session[:stars] })
  else reply.(404, { error: 'not found' })
  end
}
