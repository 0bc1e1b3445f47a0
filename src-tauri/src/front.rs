//! The application that the window shows: its fleets, or evidence that is open before them.

use std::ops::Deref;

use plumb_app::{App, console::Console};
use tauri::{
    Manager as _, Runtime,
    ipc::{CommandArg, CommandItem, InvokeError},
};

/// What a command about a fleet is asked of. Only commands about this machine take the application itself.
pub(crate) struct Front(App);

impl Deref for Front {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl<'de, R: Runtime> CommandArg<'de, R> for Front {
    fn from_command(command: CommandItem<'de, R>) -> Result<Self, InvokeError> {
        let webview = command.message.webview();
        let console = webview.try_state::<Console>();
        let front = console.map(|console| Self(console.front()));
        front.ok_or_else(|| InvokeError::from("the console's files are not open yet"))
    }
}
