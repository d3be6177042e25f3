//! Every text of the pages, in the languages that are built in.
//!
//! A text is one entry: its English, German and French, which do not compile without each other. What stands in braces
//! is filled in, and belongs into every translation. No text depends on a number.

use std::borrow::Cow;

/// Chooses one of the texts.
pub(crate) type Words = fn(&Texts) -> &str;

macro_rules! texts {
    ($($(#[$doc:meta])* $key:ident: $en:literal, $de:literal, $fr:literal;)*) => {
        /// The texts of one language.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct Texts {
            $($(#[$doc])* pub(crate) $key: Cow<'static, str>,)*
        }

        impl Texts {
            /// The names of all texts, as a brand's file spells them.
            pub(crate) const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            pub(crate) fn english() -> Self {
                Self { $($key: Cow::Borrowed($en),)* }
            }

            pub(crate) fn german() -> Self {
                Self { $($key: Cow::Borrowed($de),)* }
            }

            pub(crate) fn french() -> Self {
                Self { $($key: Cow::Borrowed($fr),)* }
            }

            /// The text of that name.
            pub(crate) fn find_mut(&mut self, key: &str) -> Option<&mut Cow<'static, str>> {
                match key {
                    $(stringify!($key) => Some(&mut self.$key),)*
                    _ => None,
                }
            }
        }
    };
}

texts! {
    // All pages.
    /// What the title of a page begins with that says what went wrong.
    error:
        "Error",
        "Fehler",
        "Erreur";
    go_on:
        "Continue",
        "Weiter",
        "Continuer";
    privacy:
        "Privacy",
        "Datenschutz",
        "Confidentialité";
    terms:
        "Terms of use",
        "Nutzungsbedingungen",
        "Conditions d’utilisation";
    help:
        "Help",
        "Hilfe",
        "Aide";

    // Log in.
    log_in:
        "Log in",
        "Anmelden",
        "Se connecter";
    to_client:
        "to go on to {client}",
        "um {client} zu nutzen",
        "pour continuer vers {client}";
    to_connect_device:
        "to connect a device",
        "um ein Gerät zu verbinden",
        "pour associer un appareil";
    username:
        "User name",
        "Benutzername",
        "Nom d’utilisateur";
    password:
        "Password",
        "Passwort",
        "Mot de passe";
    wrong_password:
        "The user name or the password is wrong.",
        "Der Benutzername oder das Passwort ist falsch.",
        "Le nom d’utilisateur ou le mot de passe est incorrect.";
    open_too_long:
        "This page was open for too long. Please try again.",
        "Diese Seite war zu lange geöffnet. Bitte versuchen Sie es noch einmal.",
        "Cette page est restée ouverte trop longtemps. Veuillez réessayer.";
    too_many_attempts:
        "There were too many attempts. Please wait a moment and try again.",
        "Es gab zu viele Versuche. Bitte warten Sie einen Moment und versuchen Sie es dann noch einmal.",
        "Il y a eu trop de tentatives. Veuillez patienter un moment, puis réessayer.";
    busy:
        "The server is busy. Please try again in a moment.",
        "Der Server ist ausgelastet. Bitte versuchen Sie es gleich noch einmal.",
        "Le serveur est occupé. Veuillez réessayer dans un instant.";

    // Log in with a provider elsewhere.
    log_in_with:
        "Log in with {provider}",
        "Mit {provider} anmelden",
        "Se connecter avec {provider}";
    being_sent:
        "You are being sent to {provider}. If nothing happens, continue yourself.",
        "Sie werden zu {provider} weitergeleitet. Wenn nichts geschieht, gehen Sie selbst weiter.",
        "Vous allez être redirigé vers {provider}. Si rien ne se passe, continuez vous-même.";
    coming_back:
        "You are coming back from {provider}. If nothing happens, continue yourself.",
        "Sie kommen von {provider} zurück. Wenn nichts geschieht, gehen Sie selbst weiter.",
        "Vous revenez de {provider}. Si rien ne se passe, continuez vous-même.";
    not_begun_here:
        "This login was not begun in this browser, or it took too long. Go back to the application and begin again.",
        "Diese Anmeldung wurde nicht in diesem Browser begonnen, oder sie hat zu lange gedauert. Gehen Sie zurück zur Anwendung und beginnen Sie von vorn.",
        "Cette connexion n’a pas été commencée dans ce navigateur, ou elle a pris trop de temps. Retournez à l’application et recommencez.";
    no_such_provider:
        "Nobody can log in that way here.",
        "Auf diesem Weg kann sich hier niemand anmelden.",
        "Personne ne peut se connecter ici de cette manière.";
    provider_refused:
        "You did not log in there. You can try again.",
        "Sie haben sich dort nicht angemeldet. Sie können es noch einmal versuchen.",
        "Vous ne vous y êtes pas connecté. Vous pouvez réessayer.";
    provider_did_not_ask:
        "You were not asked again there who you are, and the application wants that.",
        "Sie wurden dort nicht erneut gefragt, wer Sie sind, und die Anwendung verlangt das.",
        "On ne vous y a pas redemandé qui vous êtes, et l’application l’exige.";
    provider_failed:
        "The login there did not work. Please try again later, or another way.",
        "Die Anmeldung dort hat nicht funktioniert. Bitte versuchen Sie es später noch einmal oder auf einem anderen Weg.",
        "La connexion n’y a pas fonctionné. Veuillez réessayer plus tard, ou d’une autre manière.";
    identity_not_linked:
        "Nobody here is linked to your account there. Log in another way, or ask the operator.",
        "Mit Ihrem Konto dort ist hier niemand verknüpft. Melden Sie sich auf einem anderen Weg an oder fragen Sie den Betreiber.",
        "Personne ici n’est lié à votre compte là-bas. Connectez-vous d’une autre manière, ou demandez à l’exploitant.";
    identity_without_email:
        "No e-mail address of yours is verified there, so no account can be created for you.",
        "Dort ist keine E-Mail-Adresse von Ihnen bestätigt. Deshalb kann für Sie kein Konto angelegt werden.",
        "Aucune de vos adresses e-mail n’y est vérifiée ; aucun compte ne peut donc être créé pour vous.";
    identity_of_other_domain:
        "With your e-mail address there no account can be created here.",
        "Mit Ihrer E-Mail-Adresse dort kann hier kein Konto angelegt werden.",
        "Avec votre adresse e-mail là-bas, aucun compte ne peut être créé ici.";
    identity_name_taken:
        "Somebody here has your e-mail address as their user name. Ask the operator.",
        "Hier hat jemand Ihre E-Mail-Adresse als Benutzernamen. Fragen Sie den Betreiber.",
        "Quelqu’un ici a votre adresse e-mail comme nom d’utilisateur. Demandez à l’exploitant.";
    account_disabled:
        "This account cannot be used.",
        "Dieses Konto kann nicht benutzt werden.",
        "Ce compte ne peut pas être utilisé.";
    link_account:
        "Link your account?",
        "Konto verknüpfen?",
        "Lier votre compte ?";
    who_is_linked:
        "At {provider} you are {identity}. There is an account here with the same e-mail address: {user}.",
        "Bei {provider} sind Sie {identity}. Hier gibt es ein Konto mit derselben E-Mail-Adresse: {user}.",
        "Chez {provider}, vous êtes {identity}. Il y a ici un compte avec la même adresse e-mail : {user}.";
    what_linking_means:
        "If you link the two, whoever can log in at {provider} as you can log in here as {user}. You can take it back at any time.",
        "Wenn Sie die beiden verknüpfen, kann sich hier als {user} anmelden, wer sich bei {provider} als Sie anmelden kann. Sie können das jederzeit zurücknehmen.",
        "Si vous liez les deux, quiconque peut se connecter chez {provider} à votre place peut se connecter ici en tant que {user}. Vous pouvez l’annuler à tout moment.";
    password_of:
        "Password of {user}",
        "Passwort von {user}",
        "Mot de passe de {user}";
    link_and_log_in:
        "Link and log in",
        "Verknüpfen und anmelden",
        "Lier et se connecter";
    do_not_link:
        "Do not link",
        "Nicht verknüpfen",
        "Ne pas lier";
    create_account:
        "Create an account?",
        "Konto anlegen?",
        "Créer un compte ?";
    who_is_created:
        "At {provider} you are {identity}. Nobody here is linked to that yet. A new account would be called {user}, and you would log in to it with {provider}.",
        "Bei {provider} sind Sie {identity}. Damit ist hier noch niemand verknüpft. Ein neues Konto hieße {user}, und Sie meldeten sich dort mit {provider} an.",
        "Chez {provider}, vous êtes {identity}. Personne ici n’y est encore lié. Un nouveau compte s’appellerait {user}, et vous vous y connecteriez avec {provider}.";
    create_the_account:
        "Create the account",
        "Konto anlegen",
        "Créer le compte";
    do_not_create:
        "Do not create it",
        "Nicht anlegen",
        "Ne pas le créer";
    answered_or_outdated:
        "This page was open for too long, or was answered already. Go back to the application and begin again.",
        "Diese Seite war zu lange geöffnet oder wurde schon beantwortet. Gehen Sie zurück zur Anwendung und beginnen Sie von vorn.",
        "Cette page est restée ouverte trop longtemps, ou a déjà reçu une réponse. Retournez à l’application et recommencez.";
    identity_gone:
        "This account cannot be linked or created any more. Go back to the application and begin again.",
        "Dieses Konto kann nicht mehr verknüpft oder angelegt werden. Gehen Sie zurück zur Anwendung und beginnen Sie von vorn.",
        "Ce compte ne peut plus être lié ni créé. Retournez à l’application et recommencez.";

    // Change the password.
    to_change_password:
        "to change your password",
        "um Ihr Passwort zu ändern",
        "pour changer votre mot de passe";
    change_password:
        "Change password",
        "Passwort ändern",
        "Changer le mot de passe";
    current_password:
        "Current password",
        "Aktuelles Passwort",
        "Mot de passe actuel";
    new_password:
        "New password",
        "Neues Passwort",
        "Nouveau mot de passe";
    password_advice:
        "Four or five unrelated words are easy to remember. You will be logged out everywhere else.",
        "Vier oder fünf Wörter ohne Zusammenhang kann man sich leicht merken. Überall sonst werden Sie abgemeldet.",
        "Quatre ou cinq mots sans rapport entre eux sont faciles à retenir. Vous serez déconnecté partout ailleurs.";
    wrong_current_password:
        "The current password is wrong.",
        "Das aktuelle Passwort ist falsch.",
        "Le mot de passe actuel est incorrect.";
    password_too_short:
        "The new password is too short. The least number of characters: {least}.",
        "Das neue Passwort ist zu kurz. Mindestzahl der Zeichen: {least}.",
        "Le nouveau mot de passe est trop court. Nombre minimal de caractères : {least}.";
    password_too_long:
        "The new password is too long.",
        "Das neue Passwort ist zu lang.",
        "Le nouveau mot de passe est trop long.";
    password_guessable:
        "The new password is too easy to guess. Take four or five unrelated words.",
        "Das neue Passwort ist zu leicht zu erraten. Nehmen Sie vier oder fünf Wörter ohne Zusammenhang.",
        "Le nouveau mot de passe est trop facile à deviner. Choisissez quatre ou cinq mots sans rapport entre eux.";
    password_changed:
        "Password changed",
        "Passwort geändert",
        "Mot de passe changé";
    password_is_changed:
        "Your password is changed, and you are logged out everywhere else. You can close this page.",
        "Ihr Passwort ist geändert, und überall sonst sind Sie abgemeldet. Sie können diese Seite schließen.",
        "Votre mot de passe est changé et vous êtes déconnecté partout ailleurs. Vous pouvez fermer cette page.";

    // Consent.
    allow_access:
        "Allow access",
        "Zugriff erlauben",
        "Autoriser l’accès";
    allow_access_question:
        "Allow access?",
        "Zugriff erlauben?",
        "Autoriser l’accès ?";
    /// A list of scopes follows.
    client_asks:
        "{client} asks {user} to allow it to:",
        "{client} bittet {user} um Erlaubnis für Folgendes:",
        "{client} demande à {user} l’autorisation suivante :";
    /// A scope without words of its own.
    use_scope:
        "Use {scope}",
        "{scope} nutzen",
        "Utiliser {scope}";
    /// Authorization details (RFC 9396) follow.
    use_as_follows:
        "Use {type} as follows:",
        "{type} wie folgt nutzen:",
        "Utiliser {type} comme suit :";
    /// A resource server that the access is for.
    use_at:
        "At {resource}",
        "Bei {resource}",
        "Auprès de {resource}";
    scope_openid:
        "Know that it is you",
        "Wissen, dass Sie es sind",
        "Savoir que c’est vous";
    scope_profile:
        "See your name and user name",
        "Ihren Namen und Benutzernamen sehen",
        "Voir votre nom et votre nom d’utilisateur";
    scope_email:
        "See your e-mail address",
        "Ihre E-Mail-Adresse sehen",
        "Voir votre adresse e-mail";
    scope_roles:
        "See your roles",
        "Ihre Rollen sehen",
        "Voir vos rôles";
    scope_offline_access:
        "Keep access while you are away",
        "Auch in Ihrer Abwesenheit Zugriff behalten",
        "Conserver l’accès en votre absence";
    you_will_be_sent:
        "You will be sent to {destination}.",
        "Sie werden zu {destination} weitergeleitet.",
        "Vous serez redirigé vers {destination}.";
    can_be_taken_back:
        "What you allow can be taken back at any time.",
        "Was Sie erlauben, können Sie jederzeit zurücknehmen.",
        "Vous pouvez retirer votre autorisation à tout moment.";
    allow:
        "Allow",
        "Erlauben",
        "Autoriser";
    do_not_allow:
        "Do not allow",
        "Nicht erlauben",
        "Ne pas autoriser";

    // Devices.
    connect_device:
        "Connect a device",
        "Ein Gerät verbinden",
        "Associer un appareil";
    connect_device_question:
        "Connect this device?",
        "Dieses Gerät verbinden?",
        "Associer cet appareil ?";
    which_code:
        "You are logged in as {user}. Which code does your device show?",
        "Sie sind als {user} angemeldet. Welchen Code zeigt Ihr Gerät?",
        "Vous êtes connecté en tant que {user}. Quel code votre appareil affiche-t-il ?";
    code:
        "Code",
        "Code",
        "Code";
    /// A list of scopes follows.
    device_asks:
        "{client} on a device that shows this code asks {user} to allow it to:",
        "{client} auf einem Gerät, das diesen Code zeigt, bittet {user} um Erlaubnis für Folgendes:",
        "{client}, sur un appareil qui affiche ce code, demande à {user} l’autorisation suivante :";
    device_warning:
        "Go on only if you are looking at this device and it shows this code. If somebody sent you the code or a link, they want to get into your account.",
        "Machen Sie nur weiter, wenn Sie dieses Gerät vor sich haben und es diesen Code zeigt. Wer Ihnen den Code oder einen Link geschickt hat, will in Ihr Konto.",
        "Ne continuez que si vous avez cet appareil sous les yeux et qu’il affiche ce code. La personne qui vous aurait envoyé le code ou un lien cherche à accéder à votre compte.";
    unknown_code:
        "No device waits for this code. Codes are good for ten minutes: look at the device for a new one.",
        "Kein Gerät wartet auf diesen Code. Codes gelten zehn Minuten: Sehen Sie am Gerät nach einem neuen.",
        "Aucun appareil n’attend ce code. Un code est valable dix minutes : regardez si l’appareil en affiche un nouveau.";
    too_many_codes:
        "There were too many wrong codes. Please wait a moment and try again.",
        "Es gab zu viele falsche Codes. Bitte warten Sie einen Moment und versuchen Sie es dann noch einmal.",
        "Il y a eu trop de codes erronés. Veuillez patienter un moment, puis réessayer.";
    device_connected:
        "Device connected",
        "Gerät verbunden",
        "Appareil associé";
    goes_on_at_device:
        "Go back to your device: {client} goes on there.",
        "Gehen Sie zurück zu Ihrem Gerät: {client} macht dort weiter.",
        "Revenez à votre appareil : {client} y poursuit.";
    not_allowed:
        "Not allowed",
        "Nicht erlaubt",
        "Non autorisé";
    gets_nothing:
        "{client} gets nothing. You can close this page.",
        "{client} bekommt nichts. Sie können diese Seite schließen.",
        "{client} n’obtient rien. Vous pouvez fermer cette page.";

    // Log out.
    log_out:
        "Log out",
        "Abmelden",
        "Se déconnecter";
    log_out_question:
        "Log out?",
        "Abmelden?",
        "Se déconnecter ?";
    logged_in_as:
        "You are logged in as {user}.",
        "Sie sind als {user} angemeldet.",
        "Vous êtes connecté en tant que {user}.";
    logged_out:
        "Logged out",
        "Abgemeldet",
        "Déconnecté";
    you_are_logged_out:
        "You are logged out. You can close this page.",
        "Sie sind abgemeldet. Sie können diese Seite schließen.",
        "Vous êtes déconnecté. Vous pouvez fermer cette page.";
    applications_are_told:
        "Your applications are told of it.",
        "Ihre Anwendungen erfahren davon.",
        "Vos applications en sont informées.";
    go_on_to_application:
        "Go on to the application",
        "Weiter zur Anwendung",
        "Continuer vers l’application";
    /// What a frame is called, which nobody sees.
    logout_at_application:
        "Logout at an application",
        "Abmeldung bei einer Anwendung",
        "Déconnexion d’une application";

    // Back to the application.
    one_moment:
        "One moment",
        "Einen Moment",
        "Un instant";
    you_are_sent_back:
        "You are sent back to the application.",
        "Sie werden zur Anwendung zurückgeleitet.",
        "Vous êtes redirigé vers l’application.";

    // What goes wrong.
    does_not_work:
        "This does not work",
        "So geht es nicht",
        "Cela ne fonctionne pas";
    went_wrong:
        "Something went wrong",
        "Etwas ist schiefgegangen",
        "Une erreur s’est produite";
    server_failed:
        "The server failed. Please try again later.",
        "Der Server hat versagt. Bitte versuchen Sie es später noch einmal.",
        "Le serveur a rencontré un problème. Veuillez réessayer plus tard.";
    server_cannot_answer:
        "The server cannot answer now. Please try again in a moment.",
        "Der Server kann gerade nicht antworten. Bitte versuchen Sie es gleich noch einmal.",
        "Le serveur ne peut pas répondre pour le moment. Veuillez réessayer dans un instant.";
    malformed_request:
        "The application that sent you here sent a request that cannot be understood.",
        "Die Anwendung, von der Sie kommen, hat eine Anfrage gestellt, die nicht zu verstehen ist.",
        "L’application qui vous a envoyé ici a transmis une demande incompréhensible.";
    refused_request:
        "The application that sent you here asks for something that this server refuses. Go back only if you know where that leads.",
        "Die Anwendung, von der Sie kommen, verlangt etwas, das dieser Server ablehnt. Gehen Sie nur zurück, wenn Sie wissen, wohin das führt.",
        "L’application qui vous a envoyé ici demande quelque chose que ce serveur refuse. N’y revenez que si vous savez où cela mène.";
    back_to:
        "Back to {destination}",
        "Zurück zu {destination}",
        "Retour à {destination}";
    unsigned_request:
        "The application that sent you here sent a request that it has not signed well.",
        "Die Anwendung, von der Sie kommen, hat ihre Anfrage nicht richtig signiert.",
        "L’application qui vous a envoyé ici n’a pas correctement signé sa demande.";
    no_key_to_answer:
        "The application that sent you here has no key to be answered with.",
        "Die Anwendung, von der Sie kommen, hat keinen Schlüssel, mit dem ihr geantwortet werden kann.",
        "L’application qui vous a envoyé ici n’a pas de clé avec laquelle lui répondre.";
    unknown_client:
        "The application that sent you here is not known to this server.",
        "Die Anwendung, von der Sie kommen, ist diesem Server nicht bekannt.",
        "L’application qui vous a envoyé ici n’est pas connue de ce serveur.";
    no_redirect_uri:
        "The application that sent you here did not say where to go back to (redirect_uri).",
        "Die Anwendung, von der Sie kommen, hat nicht gesagt, wohin es zurückgeht (redirect_uri).",
        "L’application qui vous a envoyé ici n’a pas indiqué où revenir (redirect_uri).";
    unregistered_redirect_uri:
        "The application that sent you here wants you sent to an address that it has not registered.",
        "Die Anwendung, von der Sie kommen, will Sie zu einer Adresse schicken, die sie nicht angemeldet hat.",
        "L’application qui vous a envoyé ici veut vous diriger vers une adresse qu’elle n’a pas enregistrée.";
    stale_link:
        "This link was used already, or is too old. Go back to the application and begin again.",
        "Dieser Link wurde schon benutzt oder ist zu alt. Gehen Sie zurück zur Anwendung und beginnen Sie von vorn.",
        "Ce lien a déjà été utilisé ou est trop ancien. Revenez à l’application et recommencez.";
    two_applications:
        "The application that sent you here says that it is two applications at once.",
        "Die Anwendung, von der Sie kommen, gibt sich für zwei Anwendungen zugleich aus.",
        "L’application qui vous a envoyé ici prétend être deux applications à la fois.";
    foreign_form:
        "Another site sent this form. Go back to the application and begin again.",
        "Eine andere Website hat dieses Formular gesendet. Gehen Sie zurück zur Anwendung und beginnen Sie von vorn.",
        "Un autre site a envoyé ce formulaire. Revenez à l’application et recommencez.";
    two_cookies:
        "Your browser sent the same cookie more than once. Delete the cookies of this site and begin again.",
        "Ihr Browser hat dasselbe Cookie mehrfach gesendet. Löschen Sie die Cookies dieser Website und beginnen Sie von vorn.",
        "Votre navigateur a envoyé plusieurs fois le même cookie. Supprimez les cookies de ce site et recommencez.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::phrase::placeholders;

    #[test]
    fn every_language_has_every_text_with_its_placeholders() {
        let mut english = Texts::english();
        for (language, mut texts) in [("de", Texts::german()), ("fr", Texts::french())] {
            for key in Texts::KEYS {
                let ours = english.find_mut(key).unwrap().clone();
                let theirs = texts.find_mut(key).unwrap();
                assert!(!theirs.trim().is_empty(), "{language} {key}");
                assert_eq!(placeholders(theirs), placeholders(&ours), "{language} {key}");
                assert!(placeholders(theirs).is_ok(), "{language} {key}");
            }
        }
    }
}
