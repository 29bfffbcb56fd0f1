#!/usr/bin/perl
# Mojolicious::Lite: the session is in a signed cookie, and forms carry a CSRF token.
use Mojolicious::Lite -signatures;

app->secrets(['My secret passphrase here']);

get '/' => sub ($c) {
  return $c->redirect_to('/login') unless $c->session('user');
  $c->render('index');
};

get '/login' => 'login';

post '/login' => sub ($c) {
  return $c->render(text => 'Bad CSRF token!', status => 403) if $c->validation->csrf_protect->has_error('csrf_token');
  $c->session(user => $c->param('user'), votes => 0);
  $c->redirect_to('/');
};

post '/vote' => sub ($c) {
  return $c->redirect_to('/login') unless $c->session('user');
  return $c->render(text => 'Bad CSRF token!', status => 403) if $c->validation->csrf_protect->has_error('csrf_token');
  $c->session->{votes}++;
  $c->redirect_to('/');
};

app->start;
__DATA__

@@ index.html.ep
<p>Signed in as <%= session 'user' %></p>
<p>Your votes: <%= session 'votes' %></p>
%= form_for '/vote' => (method => 'post') => begin
  %= csrf_field
  %= submit_button 'Vote'
% end

@@ login.html.ep
%= form_for '/login' => (method => 'post') => begin
  %= csrf_field
  %= text_field 'user'
  %= submit_button 'Sign in'
% end
