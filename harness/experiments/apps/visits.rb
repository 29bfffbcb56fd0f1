# A page that counts its user's visits, as Sinatra's README sets sessions up (https://sinatrarb.com/intro.html, "Using
# Sessions"): `enable :sessions` keeps the session in a signed cookie, with a secret that Sinatra makes at each start
# unless SESSION_SECRET gives one.

require 'sinatra'

enable :sessions
set :session_secret, ENV['SESSION_SECRET'] if ENV['SESSION_SECRET']

get '/' do
  redirect '/login' unless session[:user]
  "You are #{session[:user]}, visits: #{session[:visits]}"
end

get '/login' do
  'Please log in: <form action="/login" method="post"><input name="user"></form>'
end

post '/login' do
  session[:user] = params[:user]
  session[:visits] = 0
  redirect '/'
end

post '/visit' do
  session[:visits] += 1 if session[:user]
  redirect '/'
end

post '/logout' do
  visits = session[:visits]
  session.clear
  redirect '/login' unless visits
  "Goodbye, visits: #{visits}"
end
