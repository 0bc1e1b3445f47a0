import './styles/base.css';
import { api } from '$api-implementation';
import { mount } from 'svelte';
import Root from './app/Root.svelte';

const target = document.getElementById('app');
if (target) mount(Root, { target, props: { api } });
