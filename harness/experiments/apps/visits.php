<?php
// A page that counts its user's visits, as PHP's manual sets sessions up
// (https://www.php.net/manual/en/session.examples.basic.php): session_start(), then $_SESSION. The handler is the default
// one, which keeps each session in a file of session.save_path. Served by PHP's built-in web server, as its router script.

session_start();
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$posted = $_SERVER['REQUEST_METHOD'] === 'POST';

if ($path === '/login' && $posted) {
    $_SESSION['user'] = $_POST['user'];
    $_SESSION['visits'] = 0;
} elseif ($path === '/visit' && $posted && isset($_SESSION['user'])) {
    $_SESSION['visits']++;
} elseif ($path === '/logout' && $posted) {
    $visits = $_SESSION['visits'] ?? null;
    session_unset();
    session_destroy();
}
if (isset($visits)) {
    echo 'Goodbye, visits: ', $visits;
} elseif ($posted) {
    header('Location: /', true, 303);
} elseif (isset($_SESSION['user'])) {
    echo 'You are ', htmlspecialchars($_SESSION['user']), ', visits: ', $_SESSION['visits'];
} else {
    echo 'Please log in: <form action="/login" method="post"><input name="user"></form>';
}
