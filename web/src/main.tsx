import { render } from 'preact';
import { App } from './app.tsx';
import { Session, takeToken } from './session.ts';
import './page.css';

addEventListener('hashchange', () => location.reload()); // another session's address, opened in the same window
render(<App session={new Session(takeToken())} />, document.getElementById('page')!);
